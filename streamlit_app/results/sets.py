"""Sets of variants that tell the same classes apart; what is of different sets is never mixed."""

from dataclasses import dataclass
from pathlib import Path

from streamlit_app.inference.classifier import (
    CheckpointError,
    Classifier,
    set_folders,
    variant_folders,
)
from streamlit_app.results.reading import read_reports
from streamlit_app.species import default_noun, plural


@dataclass(frozen=True)
class ClassSet:
    """Variants of one folder that know the same classes.

    label: what people choose it by. folder: of its variants. variants: their names, in order.
    noun: for what a photo shows. results: the folder with what was measured of them, which need
    not exist.
    """

    label: str
    folder: Path
    variants: tuple[str, ...]
    noun: str
    results: Path


def class_sets(root: Path) -> list[ClassSet]:
    """The sets in a checkpoints folder, and in each folder in it that holds variants.

    A variant whose classes cannot be read is counted to the first set of its folder. Of several
    sets in one folder only the first has results.
    """
    sets: list[ClassSet] = []
    for folder in set_folders(root):
        for place, (species, noun, variants) in enumerate(_groups(folder)):
            label = f"{len(species)} {plural(noun)}" if species else folder.name
            if folder != root:
                label = f"{folder.name}: {label}"
            if label in {other.label for other in sets}:
                label = f"{label} ({', '.join(variants)})"
            results = folder if place == 0 else folder / "none"
            sets.append(ClassSet(label, folder, tuple(variants), noun, results))
    return sets


def _groups(folder: Path) -> list[tuple[frozenset[str], str, list[str]]]:
    reports, _ = read_reports(folder)
    groups: dict[frozenset[str], list[str]] = {}
    nouns: dict[frozenset[str], str] = {}
    unknown = []
    for path in variant_folders(folder):
        report = reports.get(path.name, {})
        species, noun = report.get("species"), report.get("recipe", {}).get("noun")
        if species is None:
            try:
                classifier = Classifier(path)
            except CheckpointError:
                unknown.append(path.name)
                continue
            species, noun = classifier.species, classifier.noun
        names = frozenset(species)
        groups.setdefault(names, []).append(path.name)
        nouns.setdefault(names, noun or default_noun(names))
    if not groups:
        return [(frozenset(), "class", unknown)]
    next(iter(groups.values())).extend(unknown)
    return [(names, nouns[names], variants) for names, variants in groups.items()]
