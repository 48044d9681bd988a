import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest

from streamlit_app import species as module
from streamlit_app.inference.classifier import Classifier
from streamlit_app.results.comparison import read_comparison
from streamlit_app.species import (
    FACTS,
    TELL_APART,
    are_birds,
    common_name,
    confidence_word,
    lookalikes,
)

ROOT = Path(__file__).parents[2]
CHECKPOINTS = sorted(path.parent for path in (ROOT / "checkpoints").glob("*/model.onnx"))
BIRDS = ("Hoopoe", "House-Crow", "Indian-Pitta", "Indian-Roller")


def comparison(*confusions: list[list[int]], species: tuple[str, ...] = BIRDS) -> dict:
    variants = {str(key): {"confusion": table} for key, table in enumerate(confusions)}
    return {"species": list(species), "variants": variants}


@pytest.mark.parametrize("folder", CHECKPOINTS, ids=lambda folder: folder.name)
def test_every_species_of_a_checkpoint_has_facts_and_two_lookalikes(folder: Path) -> None:
    for species in Classifier(folder).species:
        assert species in FACTS
        assert len(lookalikes(species, None)) == 2


def test_the_species_stand_in_the_order_of_the_checkpoints() -> None:
    report = json.loads((CHECKPOINTS[0] / "report.json").read_text())
    assert list(FACTS) == report["species"]


@pytest.mark.parametrize("facts", FACTS.values(), ids=lambda facts: facts.species)
def test_names_family_and_status_have_the_form_of_a_field_guide(facts: module.Facts) -> None:
    assert re.fullmatch(r"[A-Z][a-z]+ [a-z]+", facts.scientific_name)
    assert re.fullmatch(r"[A-Z][a-z]+idae, .+", facts.family)
    assert re.fullmatch(r"(#[0-9a-f]{6} ?){4}", facts.colours)
    assert facts.red_list in {"Least Concern", "Near Threatened", "Vulnerable", "Endangered"}
    # The photo set writes Gray and Peacock, hyphens and capitals; the last word stays the same.
    last = facts.species.split("-")[-1].lower()
    assert facts.common_name.lower().endswith(last) or facts.species == "Indian-Peacock"


def test_no_two_species_share_a_name() -> None:
    for names in zip(*((f.common_name, f.scientific_name) for f in FACTS.values()), strict=True):
        assert len(set(names)) == len(FACTS)


def test_every_line_is_a_sentence_of_at_most_160_characters() -> None:
    lines = [*(facts.look_for for facts in FACTS.values()), *TELL_APART.values()]
    assert len(set(lines)) == len(lines)
    for line in lines:
        assert re.fullmatch(r"[A-Z].+\.", line)
        assert len(line) <= 160


def test_a_pair_stands_once_in_the_file_and_is_of_two_known_species() -> None:
    with (ROOT / "streamlit_app" / "species_pairs.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == len(TELL_APART)
    assert all(len(pair) == 2 and pair <= set(FACTS) for pair in TELL_APART)


@pytest.mark.parametrize(("one", "other"), sorted(map(sorted, TELL_APART)))
def test_a_line_names_both_species_of_its_pair(one: str, other: str) -> None:
    line = TELL_APART[frozenset((one, other))].lower()
    for species in (one, other):
        words = species.lower().replace("peacock", "peafowl").replace("gray", "grey").split("-")
        assert set(words) & set(re.findall(r"[a-z]+", line)), species


def test_the_two_most_confused_are_counted_in_both_directions_over_all_variants() -> None:
    birds = ("Common-Kingfisher", "Indian-Pitta", "Indian-Roller", "Hoopoe")
    first = [[9, 1, 0, 0], [0, 9, 0, 0], [2, 0, 9, 0], [0, 0, 0, 9]]
    second = [[9, 0, 1, 2], [0, 9, 0, 0], [0, 0, 9, 0], [2, 0, 0, 9]]
    measured = comparison(first, second, species=birds)
    others = [other for other, _ in lookalikes("Common-Kingfisher", measured)]
    assert others == ["Hoopoe", "Indian-Roller"]


def test_a_pair_without_a_line_is_passed_over() -> None:
    table = [[9, 5, 0, 0], [5, 9, 0, 0], [0, 0, 9, 0], [0, 0, 0, 9]]
    assert frozenset(("Hoopoe", "House-Crow")) not in TELL_APART
    others = lookalikes("Hoopoe", comparison(table))
    assert others == lookalikes("Hoopoe", None)


@pytest.mark.parametrize("species", FACTS)
def test_the_two_shown_are_those_most_often_confused_with_it_by_the_shipped_models(
    species: str,
) -> None:
    """Where this fails the models are new: species_pairs.csv needs lines for the pairs named."""
    measured = read_comparison(ROOT / "checkpoints")
    assert measured is not None
    names = measured["species"]
    tables = sum(np.array(scores["confusion"]) for scores in measured["variants"].values())
    often = dict(zip(names, (tables + tables.T)[names.index(species)], strict=True))
    del often[species]
    most = sorted(often, key=often.__getitem__, reverse=True)[:2]
    shown = [other for other, _ in lookalikes(species, measured)]
    # Of species that are confused as often any may be shown.
    assert [often[other] for other in shown] == [often[other] for other in most], most


def test_a_species_that_the_comparison_does_not_know_falls_back_to_the_file() -> None:
    measured = comparison([[1, 0], [0, 1]], species=("Red Bird", "Blue Bird"))
    assert lookalikes("Hoopoe", measured) == lookalikes("Hoopoe", None)


def test_a_species_without_facts_keeps_its_folders_name_and_has_no_lookalikes() -> None:
    assert common_name("Red_bird-2") == "Red_bird-2"
    assert lookalikes("Red Bird", None) == []
    assert common_name("Gray-Wagtail") == "Grey Wagtail"


def test_no_class_of_another_set_is_taken_for_one_of_the_birds():
    birds = ["Gray-Wagtail", "House-Crow"]
    assert common_name("Gray-Wagtail", birds) == "Grey Wagtail"
    assert common_name("Gray-Wagtail", [*birds, "Cup"]) == "Gray-Wagtail"
    assert are_birds(birds)
    assert not are_birds([*birds, "Cup"])


@pytest.mark.parametrize(
    ("probability", "words"),
    [(1.0, "very likely"), (0.9, "very likely"), (0.89, "probable"), (0.6, "probable"),
     (0.59, "a guess"), (0.1, "a guess")],
)  # fmt: skip
def test_confidence_is_said_in_words(probability: float, words: str) -> None:
    assert confidence_word(probability) == words
