"""Everything the audit finds out about a photo set, in one pass over its photos."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.audit.answers import networks
from trainer.audit.borders import Border, find_border
from trainer.audit.duplicates import Relatives, find_relatives, groups
from trainer.audit.mislabelled import doubtful_labels, species_probabilities
from trainer.audit.orientation import Flips, find_flips
from trainer.audit.quality import Measures, blurred, empty, measure, tiny
from trainer.audit.shortcuts import Cue, cues, judge
from trainer.audit.survey import Survey


@dataclass(frozen=True)
class Findings:
    """What is wrong with a photo set.

    Attributes:
        photos: the set.
        borders, measures: of each photo.
        relatives: pairs of photos.
        groups: (photos,) numbers; relatives have the same one.
        cues: how well each cue alone tells the species.
        flips: how often each species stands upside down.
        turned: (photos,) which stand upside down, in the species that are flipped more than others.
        probabilities: (photos, species), or None where the network cannot give them.
        doubted: photos whose label is probably wrong, the surest first.
    """

    photos: Survey
    borders: list[Border | None]
    measures: list[Measures]
    relatives: list[Relatives]
    groups: NDArray[np.int64]
    cues: list[Cue]
    flips: list[Flips]
    turned: NDArray[np.bool_]
    probabilities: NDArray[np.float64] | None
    doubted: NDArray[np.int64]

    @cached_property
    def bordered(self) -> NDArray[np.bool_]:
        """(photos,) whether each has a border."""
        return np.array([border is not None for border in self.borders])

    @cached_property
    def poor(self) -> dict[str, NDArray[np.bool_]]:
        """(photos,) which photos are tiny, empty or blurred; each is one of these at most."""
        small = tiny([header.size for header in self.photos.headers])
        blank = empty(self.measures) & ~small
        return {"tiny": small, "empty": blank, "blurred": blurred(self.measures) & ~small & ~blank}

    @cached_property
    def members(self) -> list[NDArray[np.int64]]:
        """Photos of each group of two or more, groups that cross splits first."""
        order = np.argsort(self.groups, kind="stable")
        starts = np.flatnonzero(np.diff(self.groups[order])) + 1
        found = [group for group in np.split(order, starts) if len(group) > 1]
        splits = self.photos.splits
        return sorted(found, key=lambda group: len(set(splits[group])) == 1)

    def share_with_relative(self, split: str, other: str) -> float:
        """Share of a split's photos that have a relative in another split."""
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
        for pair in self.relatives:
            yield photos.files[pair.first], pair.kind, str(photos.files[pair.second])
        for index in np.flatnonzero(self.turned).tolist():
            yield photos.files[index], "upside down", ""
        for index in self.doubted.tolist():
            yield photos.files[index], "label", f"rather {self.suggested(index)}"
        for kind, found in self.poor.items():
            for index in np.flatnonzero(found).tolist():
                width, height = photos.headers[index].size
                yield photos.files[index], kind, f"{width} x {height}"

    def suggested(self, index: int) -> str:
        """The species that the network sees on a photo."""
        assert self.probabilities is not None
        return self.photos.species[int(self.probabilities[index].argmax())]


def examine(photos: Survey, checkpoints: Path, variant: str) -> Findings:
    """Look for every fault, with the checkpoint of that variant."""
    cv2.setNumThreads(1)  # the threads here have a photo each
    sizes = [header.size for header in photos.headers]

    def glance(index: int) -> tuple[Border | None, Measures]:
        photo = photos.pixels[index]
        border = find_border(photo)
        return border, measure(photo, sizes[index], border)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        glances = list(pool.map(glance, range(len(photos))))
    borders, measures = [g[0] for g in glances], [g[1] for g in glances]
    digests = [header.digest for header in photos.headers]
    relatives = find_relatives(photos.pixels, sizes, borders, digests)
    grouped = groups(relatives, len(photos))
    values = cues(photos.headers, measures, borders)
    judged = [judge(name, v, photos.labels, grouped, photos.species) for name, v in values.items()]
    careful, quick = networks(checkpoints, variant, photos.pixels)
    logits = quick.logits(photos.pixels, np.arange(len(photos)))
    flipped, turned = find_flips(quick, photos, logits)
    probabilities = species_probabilities(careful, quick, photos, logits)
    none = np.array([], dtype=np.int64)
    doubted = none if probabilities is None else doubtful_labels(photos.labels, probabilities)
    return Findings(
        photos,
        borders,
        measures,
        relatives,
        grouped,
        judged,
        flipped,
        turned,
        probabilities,
        doubted,
    )
