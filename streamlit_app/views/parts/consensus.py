"""The consensus of several variants about one photo, and a card for each."""

from collections.abc import Mapping, Sequence

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
from streamlit_app.ui.heatmaps import overlay, reserve_space_css
from streamlit_app.views.parts.prediction import card_text, nearest, sentence

STRENGTH = 0.6  # how opaque the hottest colour is
CARD_SIDE = 512  # pixels of a photo that is shown a quarter as wide as the page
MAX_CARD_HEIGHT = 24  # rem, of a photo


def rejecting(predictions: Mapping[str, Prediction]) -> list[str]:
    """The variants that find a photo out of distribution."""
    return [name for name, prediction in predictions.items() if prediction.is_ood[0]]


def none_of_these(predictions: Mapping[str, Prediction], noun: str) -> str:
    """The words for a photo that most variants find out of distribution; empty for another."""
    if 2 * len(rejecting(predictions)) <= len(predictions):
        return ""
    return ood_label(len(next(iter(predictions.values())).species), noun)


def consensus_sentence(
    predictions: Mapping[str, Prediction], table: pd.DataFrame, noun: str, species: str
) -> str:
    """The consensus in plain text, with the class that the heatmap is of."""
    ranking = [(str(name), float(share)) for name, share in table[CONSENSUS].items()]
    by = f"Plumage's {join_words(list(predictions))}"
    if len(predictions) > 1:
        by = f"the mean of {len(predictions)} of Plumage's variants"
    return sentence(ranking, none_of_these(predictions, noun), by, species)


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
    ood = [f"`{name}`" for name in rejecting(predictions)]
    name, probability = escaped_name(table.index[0], table.index), table[CONSENSUS].iloc[0]
    if none := none_of_these(predictions, noun):
        st.header(escape_markdown(none), anchor=False)
        all_of_them = len(ood) == len(predictions) > 1
        who = f"all {len(ood)} variants" if all_of_them else join_words(ood)
        st.markdown(f"Prediction of {who}. {nearest(name, probability)}")
        st.markdown(agreement(table))
        return
    st.header(f"{name}, {percent(probability)}", anchor=False)
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
    pictures = ".st-key-cards .stElementContainer:first-child"
    st.html(reserve_space_css(pictures, photo, MAX_CARD_HEIGHT))
    with st.container(key="cards"):
        for name, prediction in predictions.items():
            with st.container(gap="xsmall"):
                show_card(small, labels[name], prediction, species)


def show_card(photo: Image.Image, label: str, prediction: Prediction, species: str) -> None:
    """One variant's heatmap of a species, its own prediction, and the species' probability."""
    st.image(
        overlay(photo, prediction.heatmap(0, species), STRENGTH),
        width="stretch",
        output_format="JPEG",
        alt="Your photo; bright colours mark the evidence for "
        f"{common_name(species, prediction.species)} in {label}",
    )
    st.markdown(card_text(label, prediction, species))
