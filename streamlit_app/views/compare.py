"""One photo, answered by every variant side by side."""

import streamlit as st
from PIL import Image

from plumage.contract import CONSENSUS
from plumage.photos import shrunk
from streamlit_app.inference.classifier import Answer, Classifier, checkpoints_folder, none_of
from streamlit_app.inference.photos import SUFFIXES
from streamlit_app.results import charts
from streamlit_app.results import scores as results
from streamlit_app.results.charts import percent
from streamlit_app.results.consensus import agreement, probabilities
from streamlit_app.results.scores import in_words
from streamlit_app.species import common_name
from streamlit_app.ui.heatmaps import LEGEND, overlay, room
from streamlit_app.ui.state import (
    answer_to,
    choose_in_address,
    described,
    forget_species,
    if_not_busy,
    photo_given,
    show_chart,
    variants_to_serve,
)

STRENGTH = 0.6  # how opaque the hottest colour is
CARD_SIDE = 512  # pixels of a photo that is shown a quarter as wide as the page
CARD_TALLEST = 24  # rem that a photo may be high
# Two cards beside each other on a phone, four on a desk. The chart is drawn last: what comes below
# keeps its place meanwhile.
GRID = """<style>
.st-key-chances { min-height: 13.75rem; }
.st-key-cards { display: grid; gap: 1.75rem 1rem;
    grid-template-columns: repeat(auto-fill, minmax(max(8rem, 22%), 1fr)); }
</style>"""
WHAT_IS_A_NORM = (
    "A norm subtracts the mean of some numbers inside a network and divides by their spread. "
    "Norms differ in which; a channel is what one filter sees."
)
WHAT_IT_DOES = {
    "bn": "Evens out each channel over a batch of photos.",
    "in": "Evens out each channel of each photo.",
    "bin": "Mixes batch and instance norm, as learned for each channel.",
    "ln": "Evens out all channels of a photo together.",
    "gn": "Evens out groups of a photo's channels.",
    "nn": "Evens out nothing.",
    "torch-bn": "Batch norm as PyTorch has it, to check ours by.",
}


def show_variants(variants: dict[str, Classifier]) -> None:
    """What there is to see before a photo is chosen: who will be asked."""
    reports, _ = results.read_reports(checkpoints_folder())
    st.markdown(WHAT_IS_A_NORM)
    with st.container(key="cards"):
        for name, variant in variants.items():
            with st.container(border=True, gap="xsmall"):
                st.markdown(f"**{described(name, variant.norm)}**")
                if variant.norm in WHAT_IT_DOES:
                    st.markdown(WHAT_IT_DOES[variant.norm])
                if name in reports:
                    test = reports[name]["metrics"]["test"]["accuracy"]["value"]
                    photos = reports[name]["photos"]["test"]["count"]
                    st.markdown(f"Right on **{test:.1%}** of {photos:,} test photos")


def show_answers(photo: Image.Image, answers: dict[str, Answer], labels: dict[str, str]) -> None:
    """The consensus, who agrees with whom, and a card for each variant, by its label."""
    table = probabilities(answers)
    best = str(table.index[0])
    left, right = st.columns(2, gap="medium")
    with left:
        strange = [f"`{name}`" for name, answer in answers.items() if answer.novel[0]]
        if 2 * len(strange) > len(answers):
            st.header(none_of(table.index), anchor=False)
            st.markdown(f"So say {in_words(strange)}. If it is one:")
            st.markdown(agreement(table))
        else:
            st.header(f"{common_name(best)}, {percent(table[CONSENSUS].iloc[0])}", anchor=False)
            doubt = "doubts" if len(strange) == 1 else "doubt"
            doubt = f" But {in_words(strange)} {doubt} that it is a bird of these {len(table)}."
            st.markdown(agreement(table) + (doubt if strange else ""))
            if len(answers) > 1:
                st.markdown(
                    ":small[In large letters: the consensus, the mean of all probabilities.]"
                )
        species = choose_in_address(
            "Show what speaks for",
            sorted(table.index, key=common_name),
            "species",
            best,
            common_name,
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
    show_cards(photo, answers, labels, species)


def show_cards(
    photo: Image.Image, answers: dict[str, Answer], labels: dict[str, str], species: str
) -> None:
    """The photo, and under each variant its heatmap of the species and its answer."""
    small = shrunk(photo, CARD_SIDE)
    st.html(room(".st-key-cards .stElementContainer:first-child", photo, CARD_TALLEST))
    with st.container(key="cards"):
        with st.container(gap="xsmall"):
            st.image(small, width="stretch", output_format="JPEG", alt="Your photo")
            st.html(f"What speaks for <b>{common_name(species)}</b>{LEGEND}")
        for name, answer in answers.items():
            with st.container(gap="xsmall"):
                show_card(small, labels[name], answer, species)


def show_card(photo: Image.Image, label: str, answer: Answer, species: str) -> None:
    """One variant's heatmap of a species, its own answer, and what it gives that species."""
    best, probability = answer.ranking(0)[0]
    known = species in answer.species
    st.image(
        overlay(photo, answer.heatmap(0, species), STRENGTH) if known else photo,
        width="stretch",
        output_format="JPEG",
        alt=f"Your photo; bright colours mark what speaks for {common_name(species)} in {label}",
    )
    said = f"{common_name(best)}, {percent(probability)}"
    lines = [f":small[{label}]", f"**{said}**"]
    if answer.novel[0]:
        lines = [f":small[{label}]", f"**{none_of(answer.species)}**", f":small[{said}]"]
    if not known:
        lines.append(f":small[does not know {common_name(species)}]")
    elif best != species:
        lines.append(f":small[{common_name(species)}, {percent(dict(answer.ranking(0))[species])}]")
    st.markdown("  \n".join(lines))


st.title("What does each variant say?", anchor=False)
variants, stamp = variants_to_serve()
st.html(GRID)
left, right = st.columns(2, gap="medium")
with left:
    upload = st.file_uploader(
        "A photo of a bird",
        type=list(SUFFIXES),
        key="photo",
        on_change=forget_species,
    )
with right:
    st.markdown(
        "The same small network, trained once with each norm, answers your photo once "
        "for each of them: see who agrees, and whether they look at the same place."
    )
    if len(variants) == 1:
        st.info(
            f"Only `{next(iter(variants))}` is here yet. `python -m trainer --norm gn --data "
            "PHOTOS` trains another; copied into `checkpoints/`, it answers here too."
        )
data = upload.getvalue() if upload else None
photo = photo_given(data, left)
welcome = st.empty()  # gone before the answers come
if data is None or photo is None:
    with welcome.container():
        show_variants(variants)
    st.stop()
with if_not_busy():
    answers = {name: answer_to(data, name, stamp) for name in variants}
show_answers(photo, answers, {name: described(name, variants[name].norm) for name in variants})
st.session_state.answered = True
