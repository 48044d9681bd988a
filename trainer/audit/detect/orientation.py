"""Species whose photos stand upside down more often than photos do."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from trainer.audit.detect.inference import Network
from trainer.audit.detect.survey import Survey
from trainer.data.photo_set import stratified_subset

LOOKED_AT = 150  # photos of a species that are turned over to see whether it is flipped
USUAL = 0.15  # share of upright photos that a network likes better upside down, at most
MIN_SHARE = 0.3  # share from which on a species is named
MARGIN = 0.5  # in a logit: a smaller one does not tell which way is up
SURE = 0.01  # probability of such a share among upright photos


@dataclass(frozen=True)
class Flips:
    """The number of a species' photos that seem upside down.

    Attributes:
        species: its name.
        photos: how many were looked at.
        flipped: how many of them the network knows better upside down.
        named: whether that is more than upright photos have.
    """

    species: str
    photos: int
    flipped: int
    named: bool


def find_flips(
    network: Network, photos: Survey, logits: NDArray[np.float32]
) -> tuple[list[Flips], NDArray[np.bool_]]:
    """Upside-down photos of each species, and (photos,) a mask of those of the species named.

    Args:
        network: it is asked about upside-down copies: of some photos of each species, then of all
            of the species named.
        photos: the set.
        logits: (photos, outputs) of the network for the photos as they are.
    """
    own, down = network.columns(photos.species)[photos.labels], np.zeros(len(photos), bool)

    def look(which: NDArray[np.int64]) -> None:
        flipped = network.logits(photos.pixels, which, flipped=True)
        down[which] = upside_down(logits[which], flipped, own[which])

    some = np.array(stratified_subset(photos.labels, LOOKED_AT))
    look(some)
    rows = flips(down[some], photos.labels[some], photos.species)
    named = [photos.species.index(row.species) for row in rows if row.named]
    of_named = np.flatnonzero(np.isin(photos.labels, named))
    look(np.setdiff1d(of_named, some))
    return rows, down & np.isin(photos.labels, named)


def upside_down(
    upright: NDArray[np.float32], flipped: NDArray[np.float32], own: NDArray[np.int64]
) -> NDArray[np.bool_]:
    """(photos,) whether a network knows each photo better upside down.

    Args:
        upright, flipped: (photos, species) logits of the photo and of its upside-down copy.
        own: (photos,) the photo's species as the network counts, or -1 where it knows none: then
            the highest logit is compared.
    """
    row = np.arange(len(own))
    known, column = own >= 0, np.maximum(own, 0)
    as_is = np.where(known, upright[row, column], upright.max(axis=1))
    turned = np.where(known, flipped[row, column], flipped.max(axis=1))
    return turned > as_is + MARGIN


def flips(
    down: NDArray[np.bool_], labels: NDArray[np.int64], species: tuple[str, ...]
) -> list[Flips]:
    """Upside-down photos of each species, most frequent first."""
    rows = []
    for index, name in enumerate(species):
        of_it = down[labels == index]
        if not len(of_it):
            continue
        count = int(of_it.sum())
        chance = stats.binomtest(count, len(of_it), USUAL, "greater").pvalue
        named = count >= MIN_SHARE * len(of_it) and chance < SURE
        rows.append(Flips(name, len(of_it), count, bool(named)))
    return sorted(rows, key=lambda row: -row.flipped / row.photos)
