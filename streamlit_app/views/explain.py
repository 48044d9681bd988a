"""Explain: what the variants look at on one photo, and whether it matters to them."""

import streamlit as st

from plumage.contract import GALLERY, GRAD_CAM, RESULTS
from streamlit_app.inference.saliency import (
    CAMS,
    LAST_STAGE,
    METHODS,
    STAGE_LABELS,
    SaliencyError,
    visible,
)
from streamlit_app.markdown import escaped_name
from streamlit_app.results.charts import percent
from streamlit_app.species import common_name
from streamlit_app.ui.gallery import exhibits
from streamlit_app.ui.heatmaps import overlay
from streamlit_app.ui.photo import choose_camera, choose_evidence, reserve_picture, show_kept
from streamlit_app.ui.saliency import Asked, curve_of, heatmap_of
from streamlit_app.ui.state import (
    choose_variant,
    or_fault,
    or_retry,
    predict,
    selectbox_in_url,
    variant_label,
    variants_to_serve,
)
from streamlit_app.views.parts.deletion import show_deletion
from streamlit_app.views.parts.gallery import choose_exhibit, keep_linked, show_mistakes
from streamlit_app.views.parts.maps import show_cards, show_faithfulness
from streamlit_app.views.parts.prediction import nearest, sentence_of, show_evidence, show_heading
from streamlit_app.views.parts.share import share
from streamlit_app.views.parts.sheet import open_sheet

STRENGTH = 0.7  # how opaque the hottest colour is
# Filled once the map is drawn: what lies below keeps its place meanwhile.
STYLE = "<style>.st-key-sharing { min-height: 2.5rem; }</style>"
INTRODUCTION = (
    "See where the evidence lies, by five methods and in every variant, and how the prediction "
    "changes while that evidence is erased."
)


def choose_map() -> tuple[str, str]:
    """The method, and the stage where the method has them."""
    how, where = st.columns(2)
    with how:
        method = selectbox_in_url("Method", METHODS, "method", GRAD_CAM) or GRAD_CAM
    stage: str | None = LAST_STAGE
    if method in CAMS:
        with where:
            stage = selectbox_in_url(
                "Stage", list(STAGE_LABELS), "stage", LAST_STAGE, STAGE_LABELS.__getitem__
            )
    return method, stage or LAST_STAGE


st.html(STYLE)
st.title("Explanation", anchor=False)
served = variants_to_serve()
measured = served.classes.results / RESULTS
sheet, opened = open_sheet(served, INTRODUCTION)
if opened is None:
    with sheet.welcome:
        variant = choose_variant(served)
        known = served.variants[variant].species
        gallery = {e.path.name: e for e in exhibits(measured / GALLERY, variant, known)}
        keep_linked(gallery)
        choose_exhibit(gallery)
        choose_camera()
    with sheet.guide:
        show_mistakes(gallery, variant, served.version)
        show_faithfulness(served.classes.results, variant)
    st.stop()

given, photo = opened
seen = photo.crop(given.crop) if given.crop else photo
with sheet.answer:
    variant = choose_variant(served)
with or_retry(), or_fault(sheet.words):
    prediction = predict(given.data, variant, served.version, given.crop)
best, probability = prediction.ranking(0)[0]
with sheet.answer:
    species = choose_evidence(prediction.species, best)
    method, stage = choose_map()
    sharing = st.container(key="sharing")
    choose_camera()
shown_name = common_name(species, prediction.species)
share_of_it = percent(dict(prediction.ranking(0))[species])
with sheet.view:  # on a phone above the words, and without the map as high as with it
    picture = reserve_picture(seen)
    with (caption := st.empty()):
        show_evidence(shown_name, share_of_it, found=True)
    show_kept(given)
with sheet.words:
    show_heading(prediction)
    name = escaped_name(best, prediction.species)
    more = f" {nearest(name, probability)}" if prediction.is_ood[0] else ""
    st.markdown(f"Prediction of {variant_label(variant, served.variants[variant].norm)}.{more}")
sheet.complete()
asked = Asked(given.data, given.crop, variant, species, method, stage, served.version)
try:
    with or_retry(), or_fault(sheet.words):
        heatmap = heatmap_of(asked)
except SaliencyError as error:
    picture.image(seen, width="stretch", output_format="JPEG", alt="Your photo")
    caption.empty()
    sheet.words.error(str(error))
    st.stop()
shown = overlay(seen, visible(heatmap), STRENGTH)
picture.image(
    shown,
    width="stretch",
    output_format="JPEG",
    alt=f"Your photo; bright colours mark the evidence for {shown_name}",
)
if not heatmap.any():
    with caption:
        show_evidence(shown_name, share_of_it, found=False)
st.session_state.answered = True
with sharing:
    address = {"set": st.session_state.chosen_set, "variant": variant, "species": species}
    address |= {"method": method, "stage": stage if method in CAMS else ""}
    words_of_it = f"{sentence_of(prediction, variant, species)} {method}."
    share(given.name, words_of_it, address, lambda: shown)
with or_retry():
    show_cards(seen, asked, served)
    with or_fault(st.container()):
        curve = curve_of(asked)
show_deletion(seen, heatmap, curve, variant)
