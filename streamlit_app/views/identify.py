"""Give a photo, read which bird it is, and see where the network looked."""

from html import escape
from typing import Any

import pandas as pd
import streamlit as st
from PIL import Image

from plumage.contract import COVERAGE
from streamlit_app.inference.classifier import Answer, checkpoints_folder, none_of
from streamlit_app.inference.photos import SUFFIXES
from streamlit_app.results.charts import percent, probability_bars
from streamlit_app.results.scores import ResultsError, read_comparison
from streamlit_app.species import FACTS, RED_LIST_YEAR, common_name, lookalikes, sureness
from streamlit_app.ui.cropping import Box, crop_box, marked
from streamlit_app.ui.heatmaps import LEGEND, overlay, room
from streamlit_app.ui.state import (
    answer_to,
    choose_in_address,
    choose_variant,
    if_not_busy,
    photo_given,
    show_chart,
    variants_to_serve,
)

# The guide has as many columns as fit, one on a phone. The chart is drawn last: what comes below
# it on a phone keeps its place meanwhile, and so does what comes below the photo.
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
# Where the sliders start.
WHOLE = {"zoom": 1.0, "across": 50, "down": 50}
STRENGTH = 60
TALLEST = 36  # rem that a photo may be high, or nothing else would be seen beside it


def start_anew() -> None:
    """A new photo starts whole, with the heatmap of its own answer."""
    st.query_params.pop("species", None)
    st.session_state.update(WHOLE)


def measured() -> dict[str, Any] | None:
    """What is known of who is taken for whom; None where that was not measured."""
    try:
        return read_comparison(checkpoints_folder())
    except ResultsError:  # the results page says so
        return None


def choose_photo() -> bytes | None:
    """The file of a photo, uploaded or taken; None where there is none yet."""
    # The camera is asked for only by who wants it: shown at once, it would ask for permission.
    if st.session_state.get("camera"):
        source = st.camera_input("A photo of a bird", key="taken", on_change=start_anew)
    else:
        source = st.file_uploader(
            "A photo of a bird", type=list(SUFFIXES), key="photo", on_change=start_anew
        )
    st.toggle("Use the camera", key="camera", on_change=start_anew)
    return source.getvalue() if source else None


def introduce(species: tuple[str, ...]) -> None:
    """What Plumage does, and a bird to look up."""
    st.markdown(
        "Plumage names the bird on your photo and paints over it what it looked at. "
        "It does best where the bird fills about half the photo. A copied photo can be pasted: "
        "go to Upload with the Tab key, then press Ctrl+V."
    )
    chosen = choose_in_address(
        "Look up a bird",
        sorted(species, key=common_name),
        "species",
        None,
        common_name,
        "Choose one to see how it is told apart",
    )
    if chosen:
        show_facts(chosen, expanded=True)
    load_ahead()


def load_ahead() -> None:
    """Have the browser load what shows the picture while that is being chosen."""
    # Streamlit loads the script of each kind of element when it first shows one.
    with st.container(key="ahead"):
        st.image(Image.new("RGB", (1, 1)), alt="Nothing yet")
        st.slider("Nothing yet", 0, 1, key="nothing")


def show_guide(species: tuple[str, ...]) -> None:
    """What there is to see before a photo is chosen: a field guide to the birds it knows."""
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
    """Who the species is, and behind a click how to tell it from the two most like it."""
    if species not in FACTS:
        return
    facts = FACTS[species]
    st.markdown(
        f"*{facts.scientific_name}* · {facts.family}  \n"
        f"{facts.red_list} (IUCN Red List, {RED_LIST_YEAR})"
    )
    st.markdown(facts.look_for)
    with st.expander("What it is most often mistaken for", expanded=expanded):
        for other, line in lookalikes(species, measured()):
            st.markdown(f"**{common_name(other)}**  \n{line}")


def show_answer(answer: Answer) -> None:
    """The likeliest species in large letters, how sure that is, and who it is."""
    (best, probability), (second, its_probability), *_ = answer.ranking(0)
    if answer.novel[0]:
        show_stranger(answer.species, best, probability)
        return
    st.header(f"{common_name(best)}, {percent(probability)}", anchor=False)
    runner_up = f"{common_name(second)}, {percent(its_probability)}"
    rest = {
        "very likely": "",
        "probably": f"If not, then {runner_up}.",
        "a guess": f"It may as well be {runner_up}. A crop closer to the bird may help.",
    }
    words = sureness(probability)
    among = answer.among(0)
    if len(among) > 1:
        names = ", ".join(common_name(species) for species in among)
        often = f"{100 * COVERAGE:.0f} times in 100"
        rest["probably"] = f"One of: {names} ({often} the bird is among these)."
        rest["a guess"] = f"{rest['probably']} A crop closer to the bird may help."
    st.markdown(f"**{words.capitalize()}.** {rest[words]}")
    show_facts(best)


def show_stranger(species: tuple[str, ...], nearest: str, probability: float) -> None:
    """That the photo shows none of the species, and which comes nearest all the same."""
    st.header(none_of(species), anchor=False)
    st.markdown(
        "The photo is unlike those that it was trained on. So are 5 in 100 photos of its own "
        f"birds: if this is one, {common_name(nearest)} comes nearest, {percent(probability)}. "
        "A crop closer to the bird may help."
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
    """The square that the answer is about, as its sliders say; None for the whole photo."""
    zoom, across, down = (st.session_state.setdefault(key, start) for key, start in WHOLE.items())
    return None if zoom == 1 else crop_box(size, zoom, across / 100, down / 100)


def show_crop(whole: bool) -> None:
    """The sliders that choose the crop; whole: whether there is none yet, to be moved."""
    with st.expander("Crop to the bird"):
        st.markdown("It works best where the bird fills about half the square.")
        st.slider("Zoom", 1.0, 8.0, step=0.25, format="%.2f x", key="zoom")
        st.slider("Left to right", 0, 100, key="across", format="%d%%", disabled=whole)
        st.slider("Top to bottom", 0, 100, key="down", format="%d%%", disabled=whole)


def show_heatmap(photo: Image.Image, box: Box | None, answer: Answer) -> None:
    """The photo with the heatmap of the likeliest species, or of another one chosen."""
    other = choose_in_address(
        "Why not another bird?",
        sorted(answer.species, key=common_name),
        "species",
        None,
        common_name,
        "Choose one to see what speaks for it",
    )
    species = other or answer.ranking(0)[0][0]
    heatmap, share = answer.heatmap(0, species), percent(dict(answer.ranking(0))[species])
    strength = st.session_state.setdefault("strength", STRENGTH)
    inside = overlay(photo.crop(box) if box else photo, heatmap, strength / 100)
    with st.container(key="picture"):
        st.html(room(".st-key-picture", photo, TALLEST))
        st.image(
            marked(photo, inside, box) if box else inside,
            width="stretch",
            output_format="JPEG",
            alt=f"Your photo; bright colours mark what speaks for {common_name(species)}",
        )
    if heatmap.any():
        st.html(f"What speaks for <b>{common_name(species)}</b>, {share}{LEGEND}")
    else:
        st.markdown(f"Nothing on this photo speaks for **{common_name(species)}**, {share}.")
    st.slider("Strength of the heatmap", 0, 100, step=5, format="%d%%", key="strength")


st.html(STYLE)
st.title("Which bird is this?", anchor=False)
variants, stamp = variants_to_serve()
left, right = st.columns([4, 3], gap="medium")
with left:
    data = choose_photo()
    variant = choose_variant(variants)
photo = photo_given(data, left)
# Both are gone before the answer comes, which would push them down; the lower one goes first.
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
with if_not_busy():
    answer = answer_to(data, variant, stamp, box)
with facts:
    show_answer(answer)
with right:
    show_heatmap(photo, box, answer)
    show_crop(whole=box is None)
with chances:  # last, since drawing a chart keeps a browser longest
    show_chances(answer.ranking(0))
