"""Compare: one photo, classified by every variant side by side."""

from html import escape

import pandas as pd
import streamlit as st
from PIL import Image

from plumage.contract import CONSENSUS
from plumage.photos import shrunk
from streamlit_app.inference.classifier import (
    CheckpointError,
    Classifier,
    Prediction,
    Version,
    checkpoints_folder,
)
from streamlit_app.markdown import escape_markdown, escaped_name
from streamlit_app.norms import norm_text
from streamlit_app.results import charts
from streamlit_app.results.charts import percent
from streamlit_app.results.consensus import agreement, probabilities
from streamlit_app.results.reading import join_words, read_reports
from streamlit_app.species import common_name, ood_label
from streamlit_app.ui.heatmaps import LEGEND, overlay, reserve_space_css
from streamlit_app.ui.state import (
    or_retry,
    predict,
    reset_species,
    selectbox_in_url,
    show_chart,
    uploaded_photo,
    variant_label,
    variants_to_serve,
)

STRENGTH = 0.6  # how opaque the hottest colour is
CARD_SIDE = 512  # pixels of a photo that is shown a quarter as wide as the page
MAX_CARD_HEIGHT = 24  # rem, of a photo
# Two cards beside each other on a phone, four on a desk. The chart is drawn last: what lies below
# it keeps its place meanwhile.
GRID = """<style>
.st-key-chances { min-height: 13.75rem; }
.st-key-cards { display: grid; gap: 1.75rem 1rem;
    grid-template-columns: repeat(auto-fill, minmax(max(8rem, 22%), 1fr)); }
</style>"""
WHAT_IS_A_NORM = (
    "A norm subtracts the mean of some numbers inside a network and divides by their spread. "
    "Norms differ in which numbers; a channel is what one filter sees."
)


def show_variants(variants: dict[str, Classifier]) -> None:
    """A card for each variant, shown until there is a photo."""
    reports, _ = read_reports(checkpoints_folder())
    st.markdown(WHAT_IS_A_NORM)
    with st.container(key="cards"):
        for name, variant in variants.items():
            with st.container(border=True, gap="xsmall"):
                st.markdown(f"**{variant_label(name, variant.norm)}**")
                st.markdown(norm_text(variant.norm).effect)
                if name in reports:
                    test = reports[name]["metrics"]["test"]["accuracy"]["value"]
                    photos = reports[name]["photos"]["test"]["count"]
                    st.markdown(f"Right on **{test:.1%}** of {photos:,} test photos")


def predict_all(
    data: bytes, variants: dict[str, Classifier], version: Version
) -> dict[str, Prediction]:
    """Every variant's prediction; one that fails is named on the page and left out."""
    predictions = {}
    for name in variants:
        try:
            predictions[name] = predict(data, name, version)
        except CheckpointError as error:
            st.warning(escape_markdown(str(error)))
    return predictions


def show_predictions(
    photo: Image.Image, predictions: dict[str, Prediction], labels: dict[str, str]
) -> None:
    """The consensus, who agrees with it, and a card for each variant, by its label."""
    table = probabilities(predictions)
    left, right = st.columns(2, gap="medium")
    with left:
        show_consensus(predictions, table)
        best = str(table.index[0])
        species = selectbox_in_url(
            "Show evidence for", sorted(table.index, key=common_name), "species", best, common_name
        )
    with right, st.container(key="chances"):
        first_five = [(common_name(name), value) for name, value in table[CONSENSUS].head().items()]
        show_chart(
            charts.probability_bars(first_five),
            "The five most likely species",
            table.reset_index(),
            "answers",
        )
    assert species is not None  # there is a default
    show_cards(photo, predictions, labels, species)


def show_consensus(predictions: dict[str, Prediction], table: pd.DataFrame) -> None:
    """The consensus in large letters, and which variants disagree; table: of probabilities."""
    ood = [f"`{name}`" for name, prediction in predictions.items() if prediction.is_ood[0]]
    if 2 * len(ood) > len(predictions):
        st.header(ood_label(table.index), anchor=False)
        st.markdown(f"So say {join_words(ood)}. If it is one:")
        st.markdown(agreement(table))
        return
    best, probability = table.index[0], table[CONSENSUS].iloc[0]
    st.header(f"{escaped_name(best)}, {percent(probability)}", anchor=False)
    verb = "doubts" if len(ood) == 1 else "doubt"
    doubt = f" But {join_words(ood)} {verb} that it is a bird of these {len(table)}."
    st.markdown(agreement(table) + (doubt if ood else ""))
    if len(predictions) > 1:
        st.markdown(":small[The heading is the consensus: the mean of all probabilities.]")


def show_cards(
    photo: Image.Image, predictions: dict[str, Prediction], labels: dict[str, str], species: str
) -> None:
    """The photo, and under each variant its heatmap of the species and its prediction."""
    small = shrunk(photo, CARD_SIDE)
    pictures = ".st-key-cards .stElementContainer:first-child"
    st.html(reserve_space_css(pictures, photo, MAX_CARD_HEIGHT))
    with st.container(key="cards"):
        with st.container(gap="xsmall"):
            st.image(small, width="stretch", output_format="JPEG", alt="Your photo")
            st.html(f"Evidence for <b>{escape(common_name(species))}</b>{LEGEND}")
        for name, prediction in predictions.items():
            with st.container(gap="xsmall"):
                show_card(small, labels[name], prediction, species)


def show_card(photo: Image.Image, label: str, prediction: Prediction, species: str) -> None:
    """One variant's heatmap of a species, its own prediction, and the species' probability."""
    best, probability = prediction.ranking(0)[0]
    known = species in prediction.species
    st.image(
        overlay(photo, prediction.heatmap(0, species), STRENGTH) if known else photo,
        width="stretch",
        output_format="JPEG",
        alt=f"Your photo; bright colours mark the evidence for {common_name(species)} in {label}",
    )
    first = f"{escaped_name(best)}, {percent(probability)}"
    lines = [f":small[{label}]", f"**{first}**"]
    if prediction.is_ood[0]:
        lines = [f":small[{label}]", f"**{ood_label(prediction.species)}**", f":small[{first}]"]
    if not known:
        lines.append(f":small[does not know {escaped_name(species)}]")
    elif best != species:
        share = percent(dict(prediction.ranking(0))[species])
        lines.append(f":small[{escaped_name(species)}, {share}]")
    st.markdown("  \n".join(lines))


st.title("What does each variant say?", anchor=False)
variants, version = variants_to_serve()
st.html(GRID)
left, right = st.columns(2, gap="medium")
with left:
    upload = st.file_uploader("A photo of a bird", key="photo", on_change=reset_species)
with right:
    st.markdown(
        "The same small network, trained once with each norm, classifies your photo once for each "
        "of them. See which variants agree, and whether they look at the same place."
    )
    if len(variants) == 1:
        st.info(
            f"Only `{next(iter(variants))}` is here yet. `python -m trainer --norm gn --data "
            "PHOTOS` trains another; copy it into `checkpoints/` to compare them."
        )
data = upload.getvalue() if upload else None
photo = uploaded_photo(data, left)
welcome = st.empty()  # gone before the predictions come
if data is None or photo is None:
    with welcome.container():
        show_variants(variants)
    st.stop()
with or_retry():
    predictions = predict_all(data, variants, version)
if not predictions:
    st.stop()
labels = {name: variant_label(name, variants[name].norm) for name in variants}
show_predictions(photo, predictions, labels)
st.session_state.answered = True
