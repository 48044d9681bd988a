"""The field guide: facts on the birds, and how to tell them apart."""

from collections.abc import Collection
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import streamlit as st

from streamlit_app.markdown import escaped_name
from streamlit_app.results.comparison import read_comparison
from streamlit_app.results.reading import ResultsError
from streamlit_app.results.sets import ClassSet
from streamlit_app.species import (
    BIRD,
    FACTS,
    RED_LIST_YEAR,
    are_birds,
    common_name,
    lookalikes,
    plural,
)
from streamlit_app.ui.state import selectbox_in_url

# As many columns as fit, one on a phone.
STYLE = """<style>
ul.guide.guide { display: grid; gap: 1.5rem; margin: 0; padding: 0; list-style: none;
    grid-template-columns: repeat(auto-fill, minmax(min(17rem, 100%), 1fr)); }
ul.guide.guide > li { margin: 0; padding: 0; font-size: .9375rem; overflow-wrap: anywhere; }
.guide b, .guide i, .guide small { display: block; font-size: .9375rem; }
.guide b { font-size: 1.0625rem; }
.guide .colours { display: flex; height: .5rem; margin-bottom: .4rem; border-radius: .25rem;
    overflow: hidden; border: 1px solid #8888; }
.guide s { flex: 1; }
</style>"""


def show_guide(species: Collection[str], noun: str) -> None:
    """The classes that the model knows, birds with their facts."""
    st.html(STYLE)
    st.subheader(f"The {len(species)} {plural(noun)}", anchor=False)
    cards = []
    for name in sorted(species, key=partial(common_name, classes=species)):
        card = f"<b>{escape(common_name(name, species))}</b>"
        if noun == BIRD and are_birds(species):
            facts = FACTS[name]
            threat = "" if facts.red_list == "Least Concern" else f" · {facts.red_list}"
            stripes = "".join(f"<s style='background:{c}'></s>" for c in facts.colours.split())
            card = f"<div class='colours' aria-hidden='true'>{stripes}</div>{card}"
            card += f"<i>{facts.scientific_name}</i><small>{facts.family}{threat}</small>"
            card += escape(facts.look_for)
        cards.append(f"<li>{card}</li>")
    st.html(f"<ul class='guide'>{''.join(cards)}</ul>")


def look_up(species: Collection[str], classes: ClassSet) -> None:
    """A bird to look up; nothing where the classes are not those of the 25."""
    if classes.noun != BIRD or not are_birds(species):
        return
    chosen = selectbox_in_url(
        "Look up a bird",
        sorted(species, key=common_name),
        "bird",
        None,
        common_name,
        "Choose one to see how to tell it apart",
    )
    if chosen:
        show_facts(chosen, species, classes, expanded=True)


def show_facts(
    species: str, known: Collection[str], classes: ClassSet, expanded: bool = False
) -> None:
    """Facts on a bird, and behind a click how to tell it from the two most like it.

    known: all classes of the model.
    """
    if classes.noun != BIRD or not are_birds(known):
        return
    facts = FACTS[species]
    st.markdown(
        f"*{facts.scientific_name}* · {facts.family}  \n"
        f"{facts.red_list} (IUCN Red List, {RED_LIST_YEAR})"
    )
    st.markdown(facts.look_for)
    with st.expander("Look-alikes", expanded=expanded):
        for other, line in lookalikes(species, _measured_confusion(classes.results)):
            st.markdown(f"**{escaped_name(other)}**  \n{line}")


def _measured_confusion(folder: Path) -> dict[str, Any] | None:
    """The comparison, which counts confused species; None where it was not measured."""
    try:
        return read_comparison(folder)
    except ResultsError:  # the Results page names the fault
        return None
