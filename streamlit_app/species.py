"""Facts on the 25 birds: names, family, status, and look-alikes; words for classes.

species.csv holds the facts, one row a species under its folder name. species_pairs.csv says how to
tell two species apart, those first that were confused most often when it was written.
"""

import csv
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plumage.contract import VERY_LIKELY

BIRD = "bird"
RED_LIST_YEAR = 2023
# Words by calibrated probability: from VERY_LIKELY on, at most one prediction in ten is wrong;
# below PROBABLE, up to every second one.
PROBABLE = 0.6


@dataclass(frozen=True)
class Facts:
    """One species, as a field guide lists it.

    species: its folder name. red_list: its category on the IUCN Red List of RED_LIST_YEAR.
    look_for: its field marks, in one line. colours: of its plumage, bill or legs, roughly from
    the head down, as #rrggbb with spaces between.
    """

    species: str
    common_name: str
    scientific_name: str
    family: str
    red_list: str
    look_for: str
    colours: str


def _rows(name: str) -> list[dict[str, str]]:
    with (Path(__file__).parent / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


FACTS = {row["species"]: Facts(**row) for row in _rows("species.csv")}
TELL_APART = {
    frozenset((row["species"], row["other"])): row["tell_apart"]
    for row in _rows("species_pairs.csv")
}


def common_name(species: str, classes: Collection[str] = FACTS) -> str:
    """A bird's name as people write it; the name of any other class as it is written.

    classes: all that the model tells apart; where one is none of the birds, no name is a bird's.
    """
    return FACTS[species].common_name if species in FACTS and are_birds(classes) else species


def are_birds(classes: Collection[str]) -> bool:
    """Whether classes are those of the birds with facts, or some of them."""
    return FACTS.keys() >= set(classes)


def default_noun(species: Collection[str]) -> str:
    """The noun for what a photo shows, for a model that names none."""
    return BIRD if are_birds(species) else "class"


def plural(noun: str) -> str:
    """Several of a noun: birds, classes."""
    return f"{noun}es" if noun.endswith(("s", "x", "z", "ch", "sh")) else f"{noun}s"


def kind(noun: str) -> str:
    """One of a model's classes: a species of birds, or what the noun says."""
    return "species" if noun == BIRD else noun


def kinds(noun: str) -> str:
    """The classes of a model: species of birds, or what the noun says."""
    return "species" if noun == BIRD else plural(noun)


def ood_label(count: int, noun: str) -> str:
    """The words for a photo that shows none of a model's classes; count: of them."""
    return f"None of these {count} classes" if noun == "class" else f"No {noun} of these {count}"


def confidence_word(probability: float) -> str:
    """A calibrated probability in words."""
    if probability >= VERY_LIKELY:
        return "very likely"
    return "probable" if probability >= PROBABLE else "a guess"


def lookalikes(species: str, comparison: Mapping[str, Any] | None) -> list[tuple[str, str]]:
    """The two species that it is most often confused with, and how to tell each of them apart.

    comparison: what comparison.json holds: photos of the one taken for the other are added up, in
        both directions, over all variants. Where it is None or ties, the order of
        species_pairs.csv decides, and a pair that has no line there is passed over.
    """
    others = [
        (next(iter(pair - {species})), line) for pair, line in TELL_APART.items() if species in pair
    ]
    if comparison is not None:
        often = _confused(species, comparison)
        others.sort(key=lambda other: -often.get(other[0], 0))
    return others[:2]


def _confused(species: str, comparison: Mapping[str, Any]) -> dict[str, int]:
    names: Sequence[str] = comparison["species"]
    if species not in names:
        return {}
    one = names.index(species)
    tables = [scores["confusion"] for scores in comparison["variants"].values()]
    return {
        name: sum(table[one][other] + table[other][one] for table in tables)
        for other, name in enumerate(names)
    }
