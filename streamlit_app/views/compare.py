"""Compare: one photo, classified by every variant side by side."""

from functools import partial

import streamlit as st

from plumage.contract import CONSENSUS
from streamlit_app.inference.classifier import CheckpointError, Prediction, checkpoints_flag
from streamlit_app.markdown import escape_markdown, escaped_name, isolated
from streamlit_app.norms import norm_text
from streamlit_app.results import charts
from streamlit_app.results.charts import percent
from streamlit_app.results.consensus import probabilities
from streamlit_app.results.reading import read_reports
from streamlit_app.species import common_name, kinds
from streamlit_app.ui.photo import Photo, choose_camera, choose_evidence, reserve_picture, show_kept
from streamlit_app.ui.state import (
    Served,
    or_retry,
    predict,
    show_chart,
    variant_label,
    variants_to_serve,
)
from streamlit_app.views.parts.consensus import (
    consensus_sentence,
    show_cards,
    show_consensus,
    show_heatmap,
    with_mean_heatmap,
)
from streamlit_app.views.parts.prediction import show_evidence
from streamlit_app.views.parts.share import share
from streamlit_app.views.parts.sheet import open_sheet

# Two cards beside each other on a phone, four on a desk. The chart is drawn last: what lies below
# it keeps its place meanwhile.
STYLE = """<style>
.st-key-chances { min-height: 13.75rem; }
.st-key-cards { display: grid; gap: 1.75rem 1rem;
    grid-template-columns: repeat(auto-fill, minmax(max(8rem, 22%), 1fr)); }
</style>"""
INTRODUCTION = (
    "See a photo's prediction and evidence in every variant: one small network under different "
    "norms. A norm subtracts a mean inside the network and divides by the spread; norms differ in "
    "the channels and photos that these are taken over."
)


def show_variants(served: Served) -> None:
    """A card for each variant, shown until there is a photo."""
    reports, _ = read_reports(served.classes.folder)
    if len(served.variants) > 1:
        st.subheader(f"The {len(served.variants)} variants", anchor=False)
    with st.container(key="cards"):
        for name, variant in served.variants.items():
            with st.container(border=True, gap="xsmall", height="stretch"):
                st.markdown(f"**{variant_label(name, variant.norm)}**")
                st.markdown(norm_text(variant.norm).effect)
                if name in reports:
                    test = reports[name]["metrics"]["test"]["accuracy"]["value"]
                    photos = reports[name]["photos"]["test"]["count"]
                    st.markdown(f"Right on **{test:.1%}** of {photos:,} test photos")


def predict_all(photo: Photo, served: Served) -> dict[str, Prediction]:
    """Every variant's prediction; one that fails is named on the page and left out."""
    predictions = {}
    for name in served.variants:
        try:
            predictions[name] = predict(photo.data, name, served.version, photo.crop)
        except CheckpointError as error:
            st.warning(escape_markdown(str(error)))
    return predictions


def show_way_to_more(served: Served) -> None:
    """Say how to add another variant, where there is one only."""
    if len(served.variants) == 1:
        folder = served.classes.folder
        where = f"`{folder}`" if checkpoints_flag(folder) else "`checkpoints/`"
        st.info(
            f"Only `{next(iter(served.variants))}` is here yet. `python -m trainer --norm gn "
            f"--data PHOTOS` trains another; copy it into {where} to compare them."
        )


st.title("Comparison", anchor=False)
served = variants_to_serve()
noun = served.classes.noun
st.html(STYLE)
sheet, opened = open_sheet(served, INTRODUCTION)
if opened is None:
    with sheet.welcome:
        show_way_to_more(served)
        choose_camera()
    with sheet.guide:
        show_variants(served)
    st.stop()

given, photo = opened
seen = photo.crop(given.crop) if given.crop else photo
with sheet.view:  # on a phone above the words, and without the map as high as with it
    picture = reserve_picture(seen)
with sheet.words, or_retry():
    predictions = predict_all(given, served)
if not predictions:
    picture.image(seen, width="stretch", output_format="JPEG", alt="Your photo")
    st.stop()
table = probabilities(predictions)
with sheet.answer:
    species = choose_evidence(table.index, str(table.index[0]))
with picture:
    show_heatmap(seen, predictions, species)
with sheet.view:
    share_of_it = f"{percent(table[CONSENSUS][species])}, the variants' mean"
    found = any(prediction.heatmap(0, species).any() for prediction in predictions.values())
    show_evidence(common_name(species, table.index), share_of_it, found)
    show_kept(given)
with sheet.words:
    show_consensus(predictions, table, noun)
sheet.complete()
with sheet.answer:
    words = consensus_sentence(predictions, table, noun, species)
    address = {"set": st.session_state.chosen_set, "species": species}
    picture_of = partial(with_mean_heatmap, seen, list(predictions.values()), species)
    share(given.name, words, address, picture_of)
    choose_camera()
st.session_state.answered = True
name = escaped_name(species, table.index)
st.subheader(f"Evidence for {name} in each variant", anchor=False)
labels = {name: variant_label(name, served.variants[name].norm) for name in predictions}
show_cards(seen, predictions, labels, species)
with st.container(key="chances"):
    first_five = [
        (isolated(common_name(name, table.index)), value)
        for name, value in table["consensus"].head().items()
    ]
    show_chart(
        charts.probability_bars(first_five, kinds(noun)),
        f"The most likely {kinds(noun)}",
        table.reset_index(),
        "answers",
    )
