"""A prediction in words: the likeliest class, the confidence, and what else it could be."""

from collections.abc import Sequence
from contextlib import suppress
from html import escape

import pandas as pd
import streamlit as st

from streamlit_app.inference.classifier import Prediction
from streamlit_app.markdown import escape_markdown, escaped_name, isolated
from streamlit_app.results.charts import percent, probability_bars
from streamlit_app.results.reading import read_reports
from streamlit_app.results.sets import ClassSet
from streamlit_app.species import BIRD, common_name, confidence_word, kinds, plural
from streamlit_app.ui.heatmaps import LEGEND
from streamlit_app.ui.state import show_chart
from streamlit_app.views.parts.facts import show_facts

# The chart is drawn last: on a phone, what lies below it keeps its place meanwhile.
STYLE = "<style>.st-key-chances { min-height: 13.75rem; }</style>"
NAMED = 8  # classes of a prediction set
CLOSER = "A crop closer to the bird may help."


def show_prediction(prediction: Prediction, variant: str, classes: ClassSet) -> None:
    """The likeliest class in large letters, the confidence in words, and facts on a bird."""
    st.html(STYLE)
    (best, probability), *_ = prediction.ranking(0)
    show_heading(prediction)
    if prediction.is_ood[0]:
        show_ood(prediction, variant, classes)
        return
    word = confidence_word(probability)
    sentences = [f"**Confidence: {word}.**"]
    if word != "very likely":
        sentences.append(alternatives(prediction, word))
    if word == "a guess" and classes.noun == BIRD:
        sentences.append(CLOSER)
    st.markdown(" ".join(sentences))
    show_facts(best, prediction.species, classes)


def show_heading(prediction: Prediction) -> None:
    """The likeliest class in large letters, or that the photo shows none of the classes."""
    best, probability = prediction.ranking(0)[0]
    answer = f"{escaped_name(best, prediction.species)}, {percent(probability)}"
    none = escape_markdown(prediction.ood_label)
    st.header(none if prediction.is_ood[0] else answer, anchor=False)


def show_evidence(name: str, share: str, found: bool) -> None:
    """The class that a heatmap is of and the scale of its colours, or that there is no evidence.

    share: the class's probability in words. found: whether anything is on the heatmap.
    """
    if found:
        st.html(f"Evidence for <b>{escape(isolated(name))}</b>, {escape(share)}{LEGEND}")
    else:
        st.markdown(
            f"No evidence for **{escape_markdown(isolated(name))}** on this photo, {share}."
        )


def card_text(label: str, prediction: Prediction, species: str) -> str:
    """A variant's prediction and its probability of a species, in Markdown."""
    shares = dict(prediction.ranking(0))
    best = next(iter(shares))
    told = {
        name: f"{escaped_name(name, prediction.species)}, {percent(shares[name])}"
        for name in dict.fromkeys([best, species])
    }
    if prediction.is_ood[0]:
        lines = [f"**{escape_markdown(prediction.ood_label)}**", f":small[{told.pop(best)}]"]
    else:
        lines = [f"**{told.pop(best)}**"]
    return "  \n".join([f":small[{label}]", *lines, *(f":small[{one}]" for one in told.values())])


def nearest(name: str, probability: float) -> str:
    """The likeliest class of a photo that shows none of the classes; name: for Markdown."""
    return f"If it shows one of them, {name} is the nearest, {percent(probability)}."


def sentence(ranking: Sequence[tuple[str, float]], none: str, by: str, species: str) -> str:
    """An answer in plain text, with the class that the heatmap is of.

    ranking: every class with its probability, likeliest first. none: the words for a photo that
    shows none of them, empty for another. by: who gives the answer.
    """
    shares = dict(ranking)

    def told(name: str) -> str:
        return f"{isolated(common_name(name, shares))}, {percent(shares[name])}"

    first = told(ranking[0][0])
    answer = f"{none}; the nearest is {first}" if none else first
    return f"{answer}, by {by}. Evidence for {told(species)}."


def sentence_of(prediction: Prediction, variant: str, species: str) -> str:
    """One variant's prediction in plain text, as `sentence` has it."""
    none = prediction.ood_label if prediction.is_ood[0] else ""
    return sentence(prediction.ranking(0), none, f"Plumage's {variant}", species)


def alternatives(prediction: Prediction, word: str) -> str:
    """The prediction set where it holds several classes, else the second one."""
    among = prediction.prediction_set(0)
    if len(among) > 1:
        # Without the coverage: it is over all photos, and lower over those with several species.
        names = [escaped_name(one, prediction.species) for one in among[:NAMED]]
        more = f" and {len(among) - NAMED} more" if len(among) > NAMED else ""
        return f"Usually one of: {', '.join(names)}{more}."
    second, probability = prediction.ranking(0)[1]
    other = f"{escaped_name(second, prediction.species)}, {percent(probability)}"
    return f"It could equally be {other}." if word == "a guess" else f"If not, then {other}."


def show_ood(prediction: Prediction, variant: str, classes: ClassSet) -> None:
    """Tell how often photos of its own classes are rejected as this one, and the nearest class."""
    best, probability = prediction.ranking(0)[0]
    reports, _ = read_reports(classes.folder)
    wrong = ""
    with suppress(KeyError):  # a variant that was measured by an earlier version
        share = 1 - reports[variant]["novelty"]["accepted"]["test"]
        own = escape_markdown(plural(classes.noun))
        wrong = f"So are {share:.1%} of the test photos of its own {own}. "
    closer = f" {CLOSER}" if classes.noun == BIRD else ""
    st.markdown(
        f"The photo is unlike those that the model was trained on. {wrong}"
        f"{nearest(escaped_name(best, prediction.species), probability)}{closer}"
    )


def show_chances(prediction: Prediction, noun: str) -> None:
    """The five likeliest classes as bars."""
    ranking, classes = prediction.ranking(0), prediction.species
    first_five = [
        (isolated(common_name(name, classes)), probability) for name, probability in ranking[:5]
    ]
    show_chart(
        probability_bars(first_five, kinds(noun)),
        f"The most likely {kinds(noun)}",
        pd.DataFrame(ranking, columns=["species", "probability"]),
        "answer",
    )
