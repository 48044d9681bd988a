"""The consensus of several variants about one photo, and a card for each."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from plumage.contract import CONSENSUS
from plumage.photos import shrunk
from streamlit_app.inference.classifier import Prediction
from streamlit_app.markdown import escape_markdown, escaped_name
from streamlit_app.results.charts import percent
from streamlit_app.results.consensus import agreement
from streamlit_app.results.reading import join_words
from streamlit_app.species import common_name, ood_label, plural
from streamlit_app.ui.heatmaps import LEGEND, overlay, reserve_space_css

STRENGTH = 0.6  # how opaque the hottest colour is
CARD_SIDE = 512  # pixels of a photo that is shown a quarter as wide as the page
MAX_CARD_HEIGHT = 24  # rem, of a photo


def show_heatmap(photo: Image.Image, predictions: dict[str, Prediction], species: str) -> None:
    """The photo with the variants' mean heatmap of the species."""
    classes = next(iter(predictions.values())).species
    st.image(
        with_mean_heatmap(photo, list(predictions.values()), species),
        width="stretch",
        output_format="JPEG",
        alt="Your photo; bright colours mark the mean evidence for "
        f"{common_name(species, classes)}",
    )


def with_mean_heatmap(
    photo: Image.Image, predictions: Sequence[Prediction], species: str
) -> Image.Image:
    """The photo with the mean of the predictions' heatmaps, each scaled to its largest value."""
    maps = [prediction.heatmap(0, species) for prediction in predictions]
    scaled = [heatmap / heatmap.max() if heatmap.any() else heatmap for heatmap in maps]
    height, width = (max(lengths) for lengths in zip(*(m.shape for m in scaled), strict=True))
    grown = [
        np.asarray(Image.fromarray(m.astype(np.float32)).resize((width, height))) for m in scaled
    ]
    return overlay(photo, np.mean(grown, axis=0).clip(0), STRENGTH)


def show_consensus(predictions: dict[str, Prediction], table: pd.DataFrame, noun: str) -> None:
    """The consensus in large letters, and which variants disagree; table: of probabilities."""
    ood = [f"`{name}`" for name, prediction in predictions.items() if prediction.is_ood[0]]
    if 2 * len(ood) > len(predictions):
        st.header(escape_markdown(ood_label(len(table), noun)), anchor=False)
        st.markdown(f"Prediction of {join_words(ood)}. If it is one:")
        st.markdown(agreement(table))
        return
    best, probability = table.index[0], table[CONSENSUS].iloc[0]
    st.header(f"{escaped_name(best, table.index)}, {percent(probability)}", anchor=False)
    verb = "doubts" if len(ood) == 1 else "doubt"
    of_these = f"one of these {len(table)} {escape_markdown(plural(noun))}"
    doubt = f" But {join_words(ood)} {verb} that it is {of_these}."
    st.markdown(agreement(table) + (doubt if ood else ""))
    if len(predictions) > 1:
        st.markdown(":small[The heading is the consensus: the mean of all probabilities.]")


def show_cards(
    photo: Image.Image, predictions: dict[str, Prediction], labels: dict[str, str], species: str
) -> None:
    """Under each variant's heatmap of the species its own prediction."""
    small = shrunk(photo, CARD_SIDE)
    st.html(LEGEND)
    pictures = ".st-key-cards .stElementContainer:first-child"
    st.html(reserve_space_css(pictures, photo, MAX_CARD_HEIGHT))
    with st.container(key="cards"):
        for name, prediction in predictions.items():
            with st.container(gap="xsmall"):
                show_card(small, labels[name], prediction, species)


def show_card(photo: Image.Image, label: str, prediction: Prediction, species: str) -> None:
    """One variant's heatmap of a species, its own prediction, and the species' probability."""
    best, probability = prediction.ranking(0)[0]
    st.image(
        overlay(photo, prediction.heatmap(0, species), STRENGTH),
        width="stretch",
        output_format="JPEG",
        alt="Your photo; bright colours mark the evidence for "
        f"{common_name(species, prediction.species)} in {label}",
    )
    first = f"{escaped_name(best, prediction.species)}, {percent(probability)}"
    lines = [f":small[{label}]", f"**{first}**"]
    if prediction.is_ood[0]:
        ood = escape_markdown(prediction.ood_label)
        lines = [f":small[{label}]", f"**{ood}**", f":small[{first}]"]
    if best != species:
        share = percent(dict(prediction.ranking(0))[species])
        lines.append(f":small[{escaped_name(species, prediction.species)}, {share}]")
    st.markdown("  \n".join(lines))
