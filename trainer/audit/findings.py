"""Everything the audit finds out about a photo set."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trainer.audit.detect.borders import Border, find_border
from trainer.audit.detect.duplicates import (
    Description,
    NearDuplicates,
    describe,
    find_near_duplicates,
    groups,
)
from trainer.audit.detect.inference import Network, networks
from trainer.audit.detect.mislabelled import species_probabilities, suspected_label_errors
from trainer.audit.detect.orientation import Flips, find_flips
from trainer.audit.detect.quality import Measures, blurred, empty, measure, tiny
from trainer.audit.detect.shortcuts import Cue, cues, folds_of, score_cue
from trainer.audit.detect.survey import Survey, in_threads


@dataclass(frozen=True)
class Findings:
    """The faults of a photo set.

    Attributes:
        photos: the set.
        borders, measures: of each photo.
        near_duplicates: pairs of photos.
        groups: (photos,) numbers; near-duplicates have the same one.
        cues: how well each cue alone tells the species.
        flips: how often each species stands upside down.
        turned: (photos,) which stand upside down, in the species that are flipped more than others.
        probabilities: (photos, species), or None where the network cannot give them.
        label_errors: photos whose label is probably wrong, the surest first.
    """

    photos: Survey
    borders: list[Border | None]
    measures: list[Measures]
    near_duplicates: list[NearDuplicates]
    groups: NDArray[np.int64]
    cues: list[Cue]
    flips: list[Flips]
    turned: NDArray[np.bool_]
    probabilities: NDArray[np.float64] | None
    label_errors: NDArray[np.int64]

    @cached_property
    def bordered(self) -> NDArray[np.bool_]:
        """(photos,) whether each has a border."""
        return np.array([border is not None for border in self.borders])

    @cached_property
    def poor(self) -> dict[str, NDArray[np.bool_]]:
        """(photos,) which photos are tiny, empty or blurred; each is one of these at most."""
        small = tiny(self.photos.sizes)
        blank = empty(self.measures) & ~small
        return {"tiny": small, "empty": blank, "blurred": blurred(self.measures) & ~small & ~blank}

    @cached_property
    def members(self) -> list[NDArray[np.int64]]:
        """Photos of each group of two or more: groups across species first, then across splits."""
        order = np.argsort(self.groups, kind="stable")
        starts = np.flatnonzero(np.diff(self.groups[order])) + 1
        found = [group for group in np.split(order, starts) if len(group) > 1]
        return sorted(found, key=lambda group: (not self.mixed(group), not self.across(group)))

    def mixed(self, group: NDArray[np.int64]) -> bool:
        """Whether photos are of several species."""
        return len(np.unique(self.photos.labels[group])) > 1

    def across(self, group: NDArray[np.int64]) -> bool:
        """Whether photos are of several splits."""
        return len(np.unique(self.photos.splits[group])) > 1

    def share_with_near_duplicate(self, split: str, other: str) -> float:
        """Share of a split's photos that have a near-duplicate in another split."""
        splits = self.photos.splits
        known = np.isin(self.groups[splits == split], self.groups[splits == other])
        return float(known.mean())

    def rows(self) -> Iterator[tuple[Path, str, str]]:
        """Every finding: the file, what was found, and more about it."""
        photos = self.photos
        for file, why in photos.unreadable.items():
            yield file, "unreadable", why
        for index, border in enumerate(self.borders):
            if border:
                told = f"{border.colour}, {border.area:.0%} of it, turned {border.degrees:.0f}°"
                yield photos.files[index], "border", told
        for pair in self.near_duplicates:
            yield photos.files[pair.first], pair.kind, str(photos.files[pair.second])
        for index in np.flatnonzero(self.turned).tolist():
            yield photos.files[index], "upside down", ""
        for index in self.label_errors.tolist():
            yield photos.files[index], "label", f"rather {self.suggested(index)}"
        for kind, found in self.poor.items():
            for index in np.flatnonzero(found).tolist():
                width, height = photos.sizes[index]
                yield photos.files[index], kind, f"{width} x {height}"

    def suggested(self, index: int) -> str:
        """The species that the network sees on a photo."""
        assert self.probabilities is not None
        return self.photos.species[int(self.probabilities[index].argmax())]


def near_duplicates_of(photos: Survey, described: Sequence[Description]) -> list[NearDuplicates]:
    """Every pair of near-duplicates in the set."""
    return find_near_duplicates(described, [header.digest for header in photos.headers])


class Inspection(NamedTuple):
    """Findings in a photo's pixels."""

    border: Border | None
    measures: Measures
    description: Description


def inspect(photos: Survey, fast: Network) -> tuple[list[Inspection], NDArray[np.float32]]:
    """Inspect each photo; returns the findings and the fast network's logits of all.

    In one pass: while one thread's network computes, the other has the interpreter to itself.
    """

    def inspect_one(index: int) -> Inspection:
        photo, size = photos.pixels[index], photos.sizes[index]
        border = find_border(photo)
        return Inspection(border, measure(photo, size, border), describe(photo, size, border))

    def look(some: NDArray[np.int64]) -> tuple[list[Inspection], NDArray[np.float32]]:
        return [inspect_one(index) for index in some.tolist()], fast.answer(photos.pixels, some)

    found, logits = zip(*in_threads(look, fast.batches(np.arange(len(photos)))), strict=True)
    return [*chain(*found)], np.concatenate(logits)


def examine(photos: Survey, checkpoints: Path, variant: str) -> Findings:
    """Look for every fault, with the checkpoint of that variant."""
    accurate, fast = networks(checkpoints, variant, photos.pixels)
    seen, logits = inspect(photos, fast)
    borders, measures = [one.border for one in seen], [one.measures for one in seen]
    near_duplicates = near_duplicates_of(photos, [one.description for one in seen])
    grouped = groups(near_duplicates, len(photos))
    folds = folds_of(photos.labels, grouped)
    judged = in_threads(
        lambda cue: score_cue(*cue, photos.labels, folds, photos.species),
        cues(photos.headers, measures, borders).items(),
    )
    flipped, turned = find_flips(fast, photos, logits)
    probabilities = species_probabilities(accurate, fast, photos, logits)
    none = np.array([], dtype=np.int64)
    label_errors = (
        none if probabilities is None else suspected_label_errors(photos.labels, probabilities)
    )
    return Findings(
        photos,
        borders,
        measures,
        near_duplicates,
        grouped,
        judged,
        flipped,
        turned,
        probabilities,
        label_errors,
    )
