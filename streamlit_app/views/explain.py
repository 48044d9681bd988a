"""Explain: what the variants look at on one photo, and whether it matters to them."""

import time

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from plumage.contract import GRAD_CAM
from plumage.photos import shrunk
from streamlit_app.inference.classifier import (
    CheckpointError,
    Classifier,
    Version,
    checkpoints_folder,
)
from streamlit_app.inference.deletion import STEPS, area, curve_chart, erased
from streamlit_app.inference.saliency import (
    CAMS,
    LAST_STAGE,
    METHODS,
    STAGE_LABELS,
    SaliencyError,
    visible,
)
from streamlit_app.markdown import escape_markdown, escaped_name
from streamlit_app.results.charts import percent, titled
from streamlit_app.results.reading import ResultsError
from streamlit_app.results.saliency import (
    COMMAND,
    methods_sentence,
    outer_chart,
    outer_shares,
    read_explained,
)
from streamlit_app.species import common_name
from streamlit_app.ui.gallery import Exhibit, caption, captions, exhibits
from streamlit_app.ui.heatmaps import LEGEND, overlay, reserve_space_css
from streamlit_app.ui.saliency import curve_of, heatmap_of
from streamlit_app.ui.state import (
    choose_variant,
    or_fault,
    or_retry,
    predict,
    reset_species,
    selectbox_in_url,
    show_chart,
    uploaded_photo,
    variant_label,
    variants_to_serve,
)

STRENGTH = 0.7  # how opaque the hottest colour is
CARD_SIDE = 512  # pixels of a photo that is shown half as wide as the page or less
STEP_SECONDS = 0.2  # of each step of the erasing
MAX_HEIGHT, MAX_CARD_HEIGHT = 36, 20  # rem, of a photo: the rest of the page stays in sight
# Two cards beside each other on a phone, all on a desk: seven variants, or five wrong predictions.
GRID = """<style>
.st-key-cards, .st-key-misled { display: grid; gap: 1.5rem 1rem; }
.st-key-cards { grid-template-columns: repeat(auto-fill, minmax(max(8rem, 12%), 1fr)); }
.st-key-misled { grid-template-columns: repeat(auto-fill, minmax(max(8rem, 17%), 1fr)); }
</style>"""


def choose_photo(shown: dict[str, Exhibit]) -> bytes | None:
    """The uploaded photo, else the one chosen from the gallery; None without either."""
    upload = st.file_uploader("A photo of a bird", key="photo", on_change=reset_species)
    if upload is not None:
        return upload.getvalue()
    if not shown:
        st.markdown(f":small[{COMMAND} makes a gallery of photos to choose from.]")
        return None
    name = selectbox_in_url(
        "Or one of the gallery",
        list(shown),
        "gallery",
        None,
        captions(shown).__getitem__,
        "Correct, wrong and doubtful predictions of this model",
    )
    if st.session_state.setdefault("exhibit", name) != name:
        reset_species()
    st.session_state.exhibit = name
    return shown[name].path.read_bytes() if name else None


def introduce() -> None:
    """What the page does."""
    st.markdown(
        "Choose a photo to see where the evidence for a species lies, by five methods and in every "
        "variant, and how the prediction changes while that evidence is erased."
    )


def show_gallery(shown: dict[str, Exhibit], variant: str, version: Version) -> None:
    """Wrong predictions of the gallery, one a species, each with the evidence for it."""
    wrong = {e.species: (name, e) for name, e in reversed(shown.items()) if e.kind == "wrong"}
    if not wrong:
        return
    st.subheader("What misled it?", anchor=False)
    with st.container(key="misled"), or_retry():
        for name, exhibit in wrong.values():
            with (card := st.container(gap="xsmall")):
                try:
                    show_exhibit(name, exhibit, variant, version, card)
                except CheckpointError as error:
                    st.warning(escape_markdown(str(error)))
                    return


def show_exhibit(
    name: str, exhibit: Exhibit, variant: str, version: Version, card: DeltaGenerator
) -> None:
    """One gallery photo with its map, and a button that chooses it; raises CheckpointError."""
    data = exhibit.path.read_bytes()
    if (photo := uploaded_photo(data, card)) is None:
        return
    prediction = predict(data, variant, version)
    heatmap = prediction.heatmap(0, prediction.ranking(0)[0][0])
    st.image(
        overlay(photo, visible(heatmap), STRENGTH),
        width="stretch",
        output_format="JPEG",
        alt=f"{caption(exhibit)}; bright colours mark the evidence for the prediction",
    )

    def choose() -> None:
        st.query_params["gallery"] = name

    st.button(escape_markdown(caption(exhibit)), key=name, on_click=choose, width="stretch")


def show_trust(variant: str) -> None:
    """Measurements of maps on test photos: which methods to believe, where maps lie."""
    try:
        found = read_explained(checkpoints_folder())
    except ResultsError as error:
        st.warning(str(error))
        return
    if found is None:
        return
    st.subheader("How far to believe a map?", anchor=False)
    left, right = st.columns(2, gap="medium")
    shares = outer_shares(found)
    if len(shares):
        with left:
            show_chart(
                outer_chart(shares, found["even_outer_share"]),
                "Share of each variant's maps in the photo's outer tenth, for correct and wrong "
                "predictions",
                shares,
                "outer-tenth",
            )
    right.markdown(
        "Where the mark of the wrong predictions is further right, their maps lie at the photo's "
        "edge more often than those of the correct ones. The dashed line is an even map.\n\n"
        + methods_sentence(found, variant)
    )


def show_cards(
    photo: Image.Image,
    data: bytes,
    variants: dict[str, Classifier],
    species: str,
    method: str,
    stage: str,
    version: Version,
) -> None:
    """Every variant's map of the species, with its probability."""
    small = shrunk(photo, CARD_SIDE)
    st.subheader(f"Evidence for {escaped_name(species)} in each variant", anchor=False)
    pictures = ".st-key-cards .stElementContainer:has(.stImage)"
    st.html(reserve_space_css(pictures, photo, MAX_CARD_HEIGHT))
    with st.container(key="cards"):
        for name, variant in variants.items():
            with st.container(gap="xsmall"):
                label = f"**{variant_label(name, variant.norm)}**"
                if species not in variant.species:
                    st.markdown(f"{label}  \ndoes not know {escaped_name(species)}")
                    continue
                try:
                    heatmap = heatmap_of(data, name, species, method, stage, version)
                except SaliencyError as error:
                    st.markdown(label)
                    st.warning(str(error))
                    continue
                except CheckpointError as error:
                    st.warning(escape_markdown(str(error)))
                    continue
                st.image(
                    overlay(small, visible(heatmap), STRENGTH),
                    width="stretch",
                    output_format="JPEG",
                    alt=f"Your photo; bright colours mark the evidence for {common_name(species)} "
                    f"in {name}",
                )
                given = dict(predict(data, name, version).ranking(0))[species]
                st.markdown(f"{label}  \ngives it {percent(given)}")


def show_erasing(
    photo: Image.Image, heatmap: np.ndarray, curve: pd.DataFrame, variant: str
) -> None:
    """The deletion curve, and beside it the photo as far as it is erased."""
    st.subheader("Does it matter what it looked at?", anchor=False)
    st.markdown(
        "The hottest parts of the map turn grey first. If the prediction rests on them, the "
        f"probability falls early: the area under the curve is **{area(curve):.2f}** "
        "(Petsiuk et al. 2018). Grey patches are no natural photos, so the curve can jump."
    )
    left, right = st.columns(2, gap="medium")
    st.html(reserve_space_css(".st-key-frame", photo, MAX_HEIGHT))
    frame = left.container(key="frame").empty()
    with right:
        play = st.button("Erase it step by step", icon=":material/play_arrow:")
        at = st.slider("Erased", 0, 100, 20, 100 // STEPS, "%d%%", key="erased")
        chart = st.empty()
    small = shrunk(photo, CARD_SIDE)
    words = f"Probability in {variant} while the photo is erased"
    steps = [step / STEPS for step in range(STEPS + 1)] if play else [at / 100]
    for share in steps:
        frame.image(
            erased(small, heatmap, share),
            width="stretch",
            output_format="JPEG",
            alt=f"Your photo, {share:.0%} of it erased",
        )
        drawn = titled(curve_chart(curve, share), f"Deletion curve of {variant}")
        if share < steps[-1]:
            chart.altair_chart(drawn, theme=None, key=f"curve-{share}", alt=words)
            time.sleep(STEP_SECONDS)
    with chart.container():
        show_chart(drawn, words, curve, f"deletion-{variant}")


st.html(GRID)
st.title("What does it look at?", anchor=False)
variants, version = variants_to_serve()
left, right = st.columns(2, gap="medium")
with left:
    variant = choose_variant(variants)  # first, since the others make room for a prediction
    gallery = {e.path.name: e for e in exhibits(checkpoints_folder().parent / "gallery", variant)}
    data = choose_photo(gallery)
photo = uploaded_photo(data, left)
# Both are gone before the prediction comes, which would push them down; the lower one goes first.
guide, welcome = st.empty(), right.empty()
if data is None or photo is None:
    with welcome.container():
        introduce()
    with guide.container():
        show_gallery(gallery, variant, version)
        show_trust(variant)
    st.stop()

with or_retry(), or_fault(left):
    prediction = predict(data, variant, version)
best, probability = prediction.ranking(0)[0]
with right:
    picture = st.container(key="picture")
    st.html(reserve_space_css(".st-key-picture", photo, MAX_HEIGHT))
    first = f"**{escaped_name(best)}, {percent(probability)}**"
    st.markdown(f"{variant_label(variant, variants[variant].norm)} says {first}.")
    st.html(LEGEND)
with left:
    names = sorted(prediction.species, key=common_name)
    species = selectbox_in_url("Show evidence for", names, "species", best, common_name)
    how, where = st.columns(2)
    with how:
        method = selectbox_in_url("Method", METHODS, "method", GRAD_CAM)
    stage: str | None = LAST_STAGE
    if method in CAMS:
        with where:
            stage = selectbox_in_url(
                "Stage", list(STAGE_LABELS), "stage", LAST_STAGE, STAGE_LABELS.__getitem__
            )
    assert species is not None  # each has a default
    assert method is not None
    assert stage is not None
try:
    with or_retry(), or_fault(left):
        heatmap = heatmap_of(data, variant, species, method, stage, version)
except SaliencyError as error:
    left.error(str(error))
    st.stop()
picture.image(
    overlay(photo, visible(heatmap), STRENGTH),
    width="stretch",
    output_format="JPEG",
    alt=f"Your photo; bright colours mark the evidence for {common_name(species)}",
)
if not heatmap.any():
    right.markdown(f"No evidence for **{escaped_name(species)}** on this photo.")
st.session_state.answered = True
with or_retry():
    show_cards(photo, data, variants, species, method, stage, version)
    with or_fault(st.container()):
        curve = curve_of(data, variant, species, method, stage, version)
show_erasing(photo, heatmap, curve, variant)
