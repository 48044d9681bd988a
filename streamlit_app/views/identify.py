"""Identify: one photo, its class, and the heatmap that shows where the network looked."""

from functools import partial

import streamlit as st
from PIL import Image

from streamlit_app.inference.classifier import Prediction
from streamlit_app.markdown import escape_markdown
from streamlit_app.results.charts import percent
from streamlit_app.species import BIRD, common_name
from streamlit_app.ui.cropping import Box, marked
from streamlit_app.ui.frame import show_frame
from streamlit_app.ui.heatmaps import overlay, reserve_space_css
from streamlit_app.ui.photo import Photo, choose_camera, choose_evidence, show_kept
from streamlit_app.ui.state import (
    choose_variant,
    or_fault,
    or_retry,
    predict,
    variants_to_serve,
)
from streamlit_app.views.parts.facts import look_up, show_guide
from streamlit_app.views.parts.prediction import (
    sentence_of,
    show_chances,
    show_evidence,
    show_prediction,
)
from streamlit_app.views.parts.share import share
from streamlit_app.views.parts.sheet import open_sheet

STYLE = "<style>.st-key-ahead { display: none; }</style>"
STRENGTH = 60


def introduction(noun: str) -> str:
    """The page's purpose, and the way to the best results."""
    closer = " It works best where the bird fills about half of the photo." if noun == BIRD else ""
    return (
        f"Plumage names the {escape_markdown(noun)} on your photo and shows where the evidence "
        f"lies.{closer}"
    )


def load_ahead() -> None:
    """Have the browser load the scripts for pictures and sliders before they are needed."""
    # Streamlit loads the script of a kind of element when it first shows one.
    st.html(STYLE)
    with st.container(key="ahead"):
        st.image(Image.new("RGB", (1, 1)), alt="Nothing yet")
        st.slider("Nothing yet", 0, 1, key="nothing")


def with_heatmap(
    photo: Image.Image, box: Box | None, prediction: Prediction, species: str, strength: int
) -> Image.Image:
    """The photo with the heatmap of a class, dark outside of the box.

    strength: of the heatmap, in percent.
    """
    heatmap = prediction.heatmap(0, species)
    inside = overlay(photo.crop(box) if box else photo, heatmap, strength / 100)
    return marked(photo, inside, box) if box else inside


def closest_look(photo: Image.Image, prediction: Prediction) -> Box | None:
    """The part of the whole photo at which the network looked last; None for all of it."""
    if prediction.frames is None:
        return None
    shares = zip(prediction.frames[0][-1], (*photo.size, *photo.size), strict=True)
    left, top, right, bottom = (round(share * length) for share, length in shares)
    return left, top, right, bottom


def show_heatmap(photo: Image.Image, given: Photo, prediction: Prediction, species: str) -> None:
    """The photo with the heatmap of a class, and the frame that chooses what to look at."""
    box, name = given.crop, common_name(species, prediction.species)
    with st.container(key="picture"):
        st.html(reserve_space_css(".st-key-picture", photo))
        st.image(
            with_heatmap(photo, box, prediction, species, st.session_state.strength),
            width="stretch",
            output_format="JPEG",
            alt=f"Your photo; bright colours mark the evidence for {name}",
        )
        show_frame(photo.size, box or closest_look(photo, prediction), "picture")
    probability = dict(prediction.ranking(0))[species]
    show_evidence(name, percent(probability), bool(prediction.heatmap(0, species).any()))
    show_kept(given)


st.title("Identification", anchor=False)
served = variants_to_serve()
noun = served.classes.noun
sheet, opened = open_sheet(served, introduction(noun))
if opened is None:
    with sheet.welcome:
        variant = choose_variant(served)
        look_up(served.variants[variant].species, served.classes)
        choose_camera()
        load_ahead()
    with sheet.guide:
        show_guide(served.variants[variant].species, noun)
    st.stop()

given, photo = opened
with sheet.answer:
    chances = st.container(key="chances")
    chances.empty()  # a container without any content would have no height yet
    variant = choose_variant(served)
with or_retry(), or_fault(sheet.words):
    prediction = predict(given.data, variant, served.version, given.crop)
with sheet.answer:
    species = choose_evidence(prediction.species, prediction.ranking(0)[0][0])
    st.session_state.setdefault("strength", STRENGTH)
    st.slider("Strength of the heatmap", 0, 100, step=5, format="%d%%", key="strength")
    address = {"set": st.session_state.chosen_set, "variant": variant, "species": species}
    # Drawn when it is downloaded, outside of the session that holds the slider.
    strength = st.session_state.strength
    picture = partial(with_heatmap, photo, given.crop, prediction, species, strength)
    share(given.name, sentence_of(prediction, variant, species), address, picture)
    choose_camera()
with sheet.view:
    show_heatmap(photo, given, prediction, species)
with sheet.words:  # after the photo, which on a phone would push them down
    show_prediction(prediction, variant, served.classes)
sheet.complete()
st.session_state.answered = True
with chances:  # last, since drawing a chart keeps a browser longest
    show_chances(prediction, noun)
