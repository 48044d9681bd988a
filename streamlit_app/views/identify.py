"""Identify: one photo, its species, and the heatmap that shows where the network looked."""

from contextlib import suppress
from html import escape
from typing import Any

import pandas as pd
import streamlit as st
from PIL import Image

from streamlit_app.inference.classifier import Prediction, checkpoints_folder
from streamlit_app.markdown import escaped_name
from streamlit_app.results.charts import percent, probability_bars
from streamlit_app.results.reading import ResultsError, read_reports
from streamlit_app.results.scores import read_comparison
from streamlit_app.species import (
    FACTS,
    RED_LIST_YEAR,
    common_name,
    confidence_word,
    lookalikes,
    ood_label,
)
from streamlit_app.ui.cropping import Box, crop_box, marked, outlined
from streamlit_app.ui.heatmaps import LEGEND, overlay, reserve_space_css
from streamlit_app.ui.state import (
    choose_variant,
    or_fault,
    or_retry,
    predict,
    selectbox_in_url,
    show_chart,
    uploaded_photo,
    variants_to_serve,
)

# The guide has as many columns as fit, one on a phone. The chart is drawn last: on a phone, what
# lies below it keeps its place meanwhile, and so does what lies below the photo.
STYLE = """<style>
.st-key-ahead { display: none; }
.st-key-chances { min-height: 13.75rem; }
ul.guide.guide { display: grid; gap: 1.5rem; margin: 0; padding: 0; list-style: none;
    grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); }
ul.guide.guide > li { margin: 0; padding: 0; font-size: .9375rem; }
.guide b, .guide i, .guide small { display: block; font-size: .9375rem; }
.guide b { font-size: 1.0625rem; }
.guide .colours { display: flex; height: .5rem; margin-bottom: .4rem; border-radius: .25rem;
    overflow: hidden; border: 1px solid #8888; }
.guide s { flex: 1; }
</style>"""
WHOLE = {"zoom": 1.0, "across": 50, "down": 50}
STRENGTH = 60
MAX_HEIGHT = 36  # rem, of a photo: the rest of the page stays in sight


def reset() -> None:
    """Show a new photo whole, with the heatmap of its own prediction."""
    st.query_params.pop("species", None)
    st.session_state.update(WHOLE)


def measured_confusion() -> dict[str, Any] | None:
    """The comparison, which counts confused species; None where it was not measured."""
    try:
        return read_comparison(checkpoints_folder())
    except ResultsError:  # the Results page names the fault
        return None


def choose_photo() -> bytes | None:
    """A photo's file, uploaded or taken; None where there is none yet."""
    # Shown at once, the camera would ask everyone for permission.
    if st.session_state.get("camera"):
        source = st.camera_input("A photo of a bird", key="taken", on_change=reset)
    else:
        source = st.file_uploader("A photo of a bird", key="photo", on_change=reset)
    st.toggle("Use the camera", key="camera", on_change=reset)
    return source.getvalue() if source else None


def introduce(species: tuple[str, ...]) -> None:
    """Say what Plumage does, and offer a bird to look up."""
    st.markdown(
        "Plumage names the bird on your photo and shows what it looked at. It works best where "
        "the bird fills about half of the photo. To paste a copied photo, move to Upload with the "
        "Tab key and press Ctrl+V."
    )
    chosen = selectbox_in_url(
        "Look up a bird",
        sorted(species, key=common_name),
        "species",
        None,
        common_name,
        "Choose one to see how to tell it apart",
    )
    if chosen:
        show_facts(chosen, expanded=True)
    load_ahead()


def load_ahead() -> None:
    """Have the browser load the scripts for pictures and sliders before they are needed."""
    # Streamlit loads the script of a kind of element when it first shows one.
    with st.container(key="ahead"):
        st.image(Image.new("RGB", (1, 1)), alt="Nothing yet")
        st.slider("Nothing yet", 0, 1, key="nothing")


def show_guide(species: tuple[str, ...]) -> None:
    """A field guide to the birds that the model knows, shown until there is a photo."""
    st.subheader(f"The {len(species)} birds it knows", anchor=False)
    cards = []
    for name in sorted(species, key=common_name):
        card = f"<b>{escape(common_name(name))}</b>"
        if name in FACTS:
            facts = FACTS[name]
            threat = "" if facts.red_list == "Least Concern" else f" · {facts.red_list}"
            stripes = "".join(f"<s style='background:{c}'></s>" for c in facts.colours.split())
            card = f"<div class='colours' aria-hidden='true'>{stripes}</div>{card}"
            card += f"<i>{facts.scientific_name}</i><small>{facts.family}{threat}</small>"
            card += escape(facts.look_for)
        cards.append(f"<li>{card}</li>")
    st.html(f"<ul class='guide'>{''.join(cards)}</ul>")


def show_facts(species: str, expanded: bool = False) -> None:
    """Facts on a species, and behind a click how to tell it from the two most like it."""
    if species not in FACTS:
        return
    facts = FACTS[species]
    st.markdown(
        f"*{facts.scientific_name}* · {facts.family}  \n"
        f"{facts.red_list} (IUCN Red List, {RED_LIST_YEAR})"
    )
    st.markdown(facts.look_for)
    with st.expander("What it is most often mistaken for", expanded=expanded):
        for other, line in lookalikes(species, measured_confusion()):
            st.markdown(f"**{escaped_name(other)}**  \n{line}")


def show_prediction(prediction: Prediction, variant: str) -> None:
    """The likeliest species in large letters, the confidence in words, and facts on the species."""
    (best, probability), *_ = prediction.ranking(0)
    if prediction.is_ood[0]:
        show_ood(prediction.species, best, probability, variant)
        return
    st.header(f"{escaped_name(best)}, {percent(probability)}", anchor=False)
    word = confidence_word(probability)
    sentences = [f"**{word.capitalize()}.**"]
    if word != "very likely":
        sentences.append(alternatives(prediction, word))
    if word == "a guess":
        sentences.append("A crop closer to the bird may help.")
    st.markdown(" ".join(sentences))
    show_facts(best)


def alternatives(prediction: Prediction, word: str) -> str:
    """The prediction set where it holds several species, else the second species."""
    among = prediction.prediction_set(0)
    if len(among) > 1:
        # Without the coverage: it is over all photos, and lower over those with several species.
        return f"Usually one of: {', '.join(map(escaped_name, among))}."
    second, probability = prediction.ranking(0)[1]
    other = f"{escaped_name(second)}, {percent(probability)}"
    return f"It could equally be {other}." if word == "a guess" else f"If not, then {other}."


def show_ood(species: tuple[str, ...], nearest: str, probability: float, variant: str) -> None:
    """Say that the photo shows none of the species, how often that is wrong, and the nearest."""
    st.header(ood_label(species), anchor=False)
    reports, _ = read_reports(checkpoints_folder())
    wrong = ""
    with suppress(KeyError):  # a variant that was measured by an earlier version
        share = 1 - reports[variant]["novelty"]["accepted"]["test"]
        wrong = f"So are {share:.1%} of the test photos of its own birds. "
    st.markdown(
        f"The photo is unlike those that the model was trained on. {wrong}If it shows one of them, "
        f"{escaped_name(nearest)} is the nearest, {percent(probability)}. A crop closer to the "
        "bird may help."
    )


def show_chances(ranking: list[tuple[str, float]]) -> None:
    """The five likeliest species as bars."""
    first_five = [(common_name(species), probability) for species, probability in ranking[:5]]
    show_chart(
        probability_bars(first_five),
        "The five most likely species",
        pd.DataFrame(ranking, columns=["species", "probability"]),
        "answer",
    )


def chosen_crop(size: tuple[int, int]) -> Box | None:
    """The square to classify, by its sliders; None for the whole photo."""
    zoom, across, down = (st.session_state.setdefault(key, start) for key, start in WHOLE.items())
    return None if zoom == 1 else crop_box(size, zoom, across / 100, down / 100)


def show_crop(whole: bool) -> None:
    """The sliders that choose the crop; whole: whether there is none yet that could be moved."""
    with st.expander("Crop to the bird"):
        st.markdown("It works best where the bird fills about half the square.")
        st.slider("Zoom", 1.0, 8.0, step=0.25, format="%.2f x", key="zoom")
        st.slider("Left to right", 0, 100, key="across", format="%d%%", disabled=whole)
        st.slider("Top to bottom", 0, 100, key="down", format="%d%%", disabled=whole)


def show_heatmap(photo: Image.Image, box: Box | None, prediction: Prediction) -> None:
    """The photo with the heatmap of the likeliest species, or of another one chosen."""
    other = selectbox_in_url(
        "Why not another bird?",
        sorted(prediction.species, key=common_name),
        "species",
        None,
        common_name,
        "Choose one to see the evidence for it",
    )
    species = other or prediction.ranking(0)[0][0]
    heatmap = prediction.heatmap(0, species)
    share = percent(dict(prediction.ranking(0))[species])
    strength = st.session_state.setdefault("strength", STRENGTH)
    inside = overlay(photo.crop(box) if box else photo, heatmap, strength / 100)
    if prediction.frames is not None:
        inside = outlined(inside, prediction.frames[0])
    with st.container(key="picture"):
        st.html(reserve_space_css(".st-key-picture", photo, MAX_HEIGHT))
        st.image(
            marked(photo, inside, box) if box else inside,
            width="stretch",
            output_format="JPEG",
            alt=f"Your photo; bright colours mark the evidence for {common_name(species)}",
        )
    if heatmap.any():
        st.html(f"Evidence for <b>{escape(common_name(species))}</b>, {share}{LEGEND}")
    else:
        st.markdown(f"No evidence for **{escaped_name(species)}** on this photo, {share}.")
    st.slider("Strength of the heatmap", 0, 100, step=5, format="%d%%", key="strength")


st.html(STYLE)
st.title("Which bird is this?", anchor=False)
variants, version = variants_to_serve()
left, right = st.columns([4, 3], gap="medium")
with left:
    data = choose_photo()
    variant = choose_variant(variants)
photo = uploaded_photo(data, left)
# Both are gone before the prediction comes, which would push them down; the lower one goes first.
guide, welcome = st.empty(), right.empty()
if data is None or photo is None:
    with welcome.container():
        introduce(variants[variant].species)
    with guide.container():
        show_guide(variants[variant].species)
    st.stop()

with left:
    facts, chances = st.container(), st.container(key="chances")
box = chosen_crop(photo.size)
with or_retry(), or_fault(facts):
    prediction = predict(data, variant, version, box)
with facts:
    show_prediction(prediction, variant)
with right:
    show_heatmap(photo, box, prediction)
    show_crop(whole=box is None)
with chances:  # last, since drawing a chart keeps a browser longest
    show_chances(prediction.ranking(0))
