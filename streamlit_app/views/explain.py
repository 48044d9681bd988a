"""What the variants look at on one photo, and whether it matters to them."""

import time
from collections import Counter

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from plumage.photos import shrunk
from streamlit_app.inference.classifier import Classifier, checkpoints_folder
from streamlit_app.inference.photos import SUFFIXES
from streamlit_app.inference.saliency import (
    CAMS,
    GRAD_CAM,
    LAST,
    METHODS,
    SMOOTH_GRAD,
    STAGES,
    STEPS,
    Exhibit,
    Saliency,
    SaliencyError,
    area,
    curve_chart,
    deletion_curve,
    erased,
    exhibits,
    visible,
)
from streamlit_app.results.charts import percent, titled
from streamlit_app.results.saliency import (
    COMMAND,
    best_method,
    outer_chart,
    outer_shares,
    read_trust,
)
from streamlit_app.results.scores import ResultsError
from streamlit_app.species import common_name
from streamlit_app.ui.heatmaps import LEGEND, overlay, room
from streamlit_app.ui.state import (
    TURNS,
    Stamp,
    answer_to,
    choose_in_address,
    choose_variant,
    described,
    forget_species,
    if_not_busy,
    photo_given,
    photo_in,
    show_chart,
    variants_at,
    variants_to_serve,
)

STRENGTH = 0.7  # how opaque the hottest colour is
CARD_SIDE = 512  # pixels of a photo that is shown half as wide as the page or less
SECONDS = 0.2  # that each step of the erasing stays
TALLEST, CARD_TALLEST = 36, 20  # rem that a photo may be high, or it would be all that is seen
# Two cards beside each other on a phone, all on a desk: seven variants, or five misled answers.
GRID = """<style>
.st-key-cards, .st-key-misled { display: grid; gap: 1.5rem 1rem; }
.st-key-cards { grid-template-columns: repeat(auto-fill, minmax(max(8rem, 12%), 1fr)); }
.st-key-misled { grid-template-columns: repeat(auto-fill, minmax(max(8rem, 17%), 1fr)); }
</style>"""


@st.cache_resource(max_entries=16, show_spinner=False)
def saliency_of(variant: str, stamp: Stamp) -> Saliency:
    """A variant's gradients; raises SaliencyError."""
    size = variants_at(stamp)[0][variant].image_size
    return Saliency(checkpoints_folder() / variant, size)


@st.cache_resource(max_entries=32, scope="session", show_spinner=False)
def heatmap_of(
    data: bytes, variant: str, species: str, method: str, stage: str, stamp: Stamp
) -> np.ndarray:
    """The map of a species by a method at a stage; raises SaliencyError, BusyError."""
    answer = answer_to(data, variant, stamp)
    if (method, stage) == (GRAD_CAM, LAST):
        return answer.heatmap(0, species)
    photo, target = photo_in(data), answer.species.index(species)
    with TURNS.one():
        saliency = saliency_of(variant, stamp)
        if method in CAMS:
            return saliency.stage_map(photo, target, method, stage)
        return saliency.heatmap(photo, target, method == SMOOTH_GRAD)


@st.cache_resource(max_entries=16, scope="session", show_spinner=False)
def curve_of(
    data: bytes, variant: str, species: str, method: str, stage: str, stamp: Stamp
) -> pd.DataFrame:
    """The deletion curve of that map; raises SaliencyError, BusyError."""
    heatmap = heatmap_of(data, variant, species, method, stage, stamp)
    photo = photo_in(data)
    with TURNS.one():
        return deletion_curve(variants_at(stamp)[0][variant], photo, heatmap, species)


def caption(exhibit: Exhibit) -> str:
    """A gallery photo in words."""
    answered = common_name(exhibit.answered)
    said = {
        "right": "rightly answered",
        "wrong": f"taken for {answered}",
        "doubtful": f"in doubt, {answered}",
    }[exhibit.kind]
    return f"{common_name(exhibit.species)}, {said}, {percent(exhibit.probability)}"


def captions(shown: dict[str, Exhibit]) -> dict[str, str]:
    """Each gallery photo in words, numbered where they are another's too: a choice goes by them."""
    found: dict[str, str] = {}
    times: Counter[str] = Counter()
    for name, exhibit in shown.items():
        words = caption(exhibit)
        times[words] += 1
        found[name] = f"{words} ({times[words]})" if times[words] > 1 else words
    return found


def choose_photo(shown: dict[str, Exhibit]) -> bytes | None:
    """One's own photo, else one of the gallery, by its file's name; None without either."""
    upload = st.file_uploader(
        "A photo of a bird", type=list(SUFFIXES), key="photo", on_change=forget_species
    )
    if upload is not None:
        return upload.getvalue()
    if not shown:
        st.markdown(f":small[{COMMAND} makes a gallery of telling photos to choose from.]")
        return None
    name = choose_in_address(
        "Or one of the gallery",
        list(shown),
        "gallery",
        None,
        captions(shown).__getitem__,
        "Right, wrong and doubtful answers of this model",
    )
    if st.session_state.setdefault("exhibit", name) != name:
        forget_species()
    st.session_state.exhibit = name
    return shown[name].path.read_bytes() if name else None


def introduce() -> None:
    """What the page does."""
    st.markdown(
        "Choose a photo to see which parts of it speak for a species, by five methods and in "
        "every variant, and to watch the answer while those parts are erased."
    )


def show_gallery(shown: dict[str, Exhibit], variant: str, stamp: Stamp) -> None:
    """Photos that were answered wrongly, one a species, each with what speaks for the answer."""

    def choose(name: str) -> None:
        st.query_params["gallery"] = name

    wrong = {e.species: (name, e) for name, e in reversed(shown.items()) if e.kind == "wrong"}
    if not wrong:
        return
    st.subheader("What misled it?", anchor=False)
    with st.container(key="misled"), if_not_busy():
        for name, exhibit in wrong.values():
            with (card := st.container(gap="xsmall")):
                data = exhibit.path.read_bytes()
                if (photo := photo_given(data, card)) is None:
                    continue
                answer = answer_to(data, variant, stamp)
                heatmap = answer.heatmap(0, answer.ranking(0)[0][0])
                st.image(
                    overlay(photo, visible(heatmap), STRENGTH),
                    width="stretch",
                    output_format="JPEG",
                    alt=f"{caption(exhibit)}; bright colours mark what speaks for the answer",
                )
                st.button(
                    caption(exhibit), key=name, on_click=choose, args=(name,), width="stretch"
                )


def show_trust(variant: str) -> None:
    """What was measured of maps on test photos: which methods to believe, where maps lie."""
    try:
        found = read_trust(checkpoints_folder())
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
                "Share of each variant's maps in the photo's outer tenth, for right and wrong "
                "answers",
                shares,
                "outer-tenth",
            )
    right.markdown(
        "A wrong answer's map lies at the photo's edge more often than a right one's where its "
        "mark stands further right; the dashed line is a map that is the same all over.\n\n"
        + best_method(found, variant)
    )


def show_cards(
    photo: Image.Image,
    data: bytes,
    variants: dict[str, Classifier],
    species: str,
    method: str,
    stage: str,
    stamp: Stamp,
) -> None:
    """Every variant's map of the species, with the probability that it gives."""
    small = shrunk(photo, CARD_SIDE)
    st.subheader(f"What speaks for {common_name(species)} in each variant", anchor=False)
    st.html(room(".st-key-cards .stElementContainer:has(.stImage)", photo, CARD_TALLEST))
    with st.container(key="cards"):
        for name, variant in variants.items():
            with st.container(gap="xsmall"):
                label = f"**{described(name, variant.norm)}**"
                if species not in variant.species:
                    st.markdown(f"{label}  \ndoes not know {common_name(species)}")
                    continue
                try:
                    heatmap = heatmap_of(data, name, species, method, stage, stamp)
                except SaliencyError as error:
                    st.markdown(label)
                    st.warning(str(error))
                    continue
                st.image(
                    overlay(small, visible(heatmap), STRENGTH),
                    width="stretch",
                    output_format="JPEG",
                    alt=f"Your photo; bright colours mark what speaks for {common_name(species)} "
                    f"in {name}",
                )
                given = dict(answer_to(data, name, stamp).ranking(0))[species]
                st.markdown(f"{label}  \ngives it {percent(given)}")


def show_erasing(
    photo: Image.Image, heatmap: np.ndarray, curve: pd.DataFrame, variant: str
) -> None:
    """The deletion curve, and beside it the photo as far as it is erased."""
    st.subheader("Does it matter what it looked at?", anchor=False)
    st.markdown(
        "The hottest parts of the map turn grey first. If they are what the answer rests on, the "
        f"probability falls early: the area under the curve is **{area(curve):.2f}** "
        "(Petsiuk et al. 2018). Grey patches are no natural photos, so the curve can jump."
    )
    left, right = st.columns(2, gap="medium")
    st.html(room(".st-key-frame", photo, TALLEST))
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
            time.sleep(SECONDS)
    with chart.container():
        show_chart(drawn, words, curve, f"deletion-{variant}")


st.html(GRID)
st.title("What does it look at?", anchor=False)
variants, stamp = variants_to_serve()
left, right = st.columns(2, gap="medium")
with left:
    variant = choose_variant(variants)  # first, since the others make room for an answer
    gallery = {e.path.name: e for e in exhibits(checkpoints_folder().parent / "gallery", variant)}
    data = choose_photo(gallery)
photo = photo_given(data, left)
# Both are gone before the answer comes, which would push them down; the lower one goes first.
guide, welcome = st.empty(), right.empty()
if data is None or photo is None:
    with welcome.container():
        introduce()
    with guide.container():
        show_gallery(gallery, variant, stamp)
        show_trust(variant)
    st.stop()

with if_not_busy():
    answer = answer_to(data, variant, stamp)
best, probability = answer.ranking(0)[0]
with right:
    picture = st.container(key="picture")
    st.html(room(".st-key-picture", photo, TALLEST))
    said = f"**{common_name(best)}, {percent(probability)}**"
    st.markdown(f"{described(variant, variants[variant].norm)} says {said}.")
    st.html(LEGEND)
with left:
    species = choose_in_address(
        "Show what speaks for",
        sorted(answer.species, key=common_name),
        "species",
        best,
        common_name,
    )
    how, where = st.columns(2)
    with how:
        method = choose_in_address("Method", list(METHODS), "method", GRAD_CAM, str)
    assert species is not None  # there is a default
    assert method is not None
    stage: str | None = LAST
    if method in CAMS:
        with where:
            stage = choose_in_address("Stage", list(STAGES), "stage", LAST, STAGES.__getitem__)
    assert stage is not None
try:
    with if_not_busy():
        heatmap = heatmap_of(data, variant, species, method, stage, stamp)
except SaliencyError as error:
    left.error(str(error))
    st.stop()
picture.image(
    overlay(photo, visible(heatmap), STRENGTH),
    width="stretch",
    output_format="JPEG",
    alt=f"Your photo; bright colours mark what speaks for {common_name(species)}",
)
if not heatmap.any():
    right.markdown(f"Nothing on this photo speaks for **{common_name(species)}**.")
with if_not_busy():
    show_cards(photo, data, variants, species, method, stage, stamp)
    curve = curve_of(data, variant, species, method, stage, stamp)
show_erasing(photo, heatmap, curve, variant)
st.session_state.answered = True
