"""Whether one photo lies in another: corners of the two that match and agree on one place.

Corners and their descriptors are ORB's (Rublee et al. 2011). Two photos' corners match if each is
the other's nearest. Few unrelated photos have many matches that are turned by the same angle (weak
geometric consistency: Jegou et al. 2008), so the place is looked for in few.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.audit.detect.survey import in_threads

MAX_CORNERS = 100  # corners of a photo
MIN_MATCHES = 14  # that agree on one place, turn and size; unrelated photos reach 12
MIN_TURNED = 10  # that are turned alike, from which on a place is looked for
STEPS = 36  # of the full turn, in which turns are counted; three next to each other are alike
HAMMING = 64  # of 256 bits in which corners that match may differ
REACH = 4.0  # pixels by which corners that agree may differ
AT_ONCE = 32  # pairs whose tables stay near the core
FAR = 257  # bits in which a corner differs from one that is not there


@dataclass(frozen=True)
class Corners:
    """Corners of N photos, the first `counts` of the MAX_CORNERS that there is room for.

    Attributes:
        places: (N, MAX_CORNERS, 2) float32, in pixels.
        turns: (N, MAX_CORNERS) float32, degrees.
        bits: (N, 4, MAX_CORNERS) uint64 descriptors.
        counts: (N,) how many each photo has.
    """

    places: NDArray[np.float32]
    turns: NDArray[np.float32]
    bits: NDArray[np.uint64]
    counts: NDArray[np.int64]


def find_corners(
    greys: Sequence[NDArray[np.uint8]],
    masks: Sequence[NDArray[np.uint8] | None],
    mirror: NDArray[np.bool_],
) -> tuple[Corners, Corners]:
    """Corners of grey photos where their masks, if given, are not 0; and of mirror images.

    mirror: (photos,) whether the mirror image of each is wanted; those of others have no corners.
    """
    both = [_empty(len(greys)) for _ in range(2)]

    def one(index: int) -> None:
        orb = cv2.ORB.create(MAX_CORNERS, 1.2, 6, edgeThreshold=12, patchSize=25, fastThreshold=15)
        grey = greys[index]
        found: list[tuple[Sequence[Any], Any]] = [orb.detectAndCompute(grey, masks[index])]
        if mirror[index]:
            last = grey.shape[1] - 1
            mirrored = [
                cv2.KeyPoint(last - p.pt[0], p.pt[1], p.size, (180 - p.angle) % 360, 0, p.octave)
                for p in found[0][0]
            ]
            found.append(orb.compute(np.ascontiguousarray(grey[:, ::-1]), mirrored))
        for corners, (points, bits) in zip(both, found, strict=False):
            kept = points[:MAX_CORNERS]  # there are more where several are as good as the last
            count = corners.counts[index] = len(kept)
            if count:
                corners.places[index, :count] = cv2.KeyPoint.convert(kept)
                corners.turns[index, :count] = [point.angle for point in kept]
                corners.bits[index, :, :count] = bits[:count].view(np.uint64).T

    in_threads(one, range(len(greys)))
    return both[0], both[1]


def _empty(count: int) -> Corners:
    return Corners(
        np.zeros((count, MAX_CORNERS, 2), np.float32),
        np.zeros((count, MAX_CORNERS), np.float32),
        np.zeros((count, 4, MAX_CORNERS), np.uint64),
        np.zeros(count, np.int64),
    )


def matches(
    first: Corners, second: Corners, pairs: NDArray[np.int64]
) -> list[tuple[int, NDArray[np.int64]]]:
    """Pairs (P, 2) of photos that may lie over each other: which of the pairs, and (n, 2) corners.

    Args:
        first, second: corners of the photos that the pairs' first and second column number.
        pairs: of photos.
    """

    def some(start: int) -> list[tuple[int, NDArray[np.int64]]]:
        a, b = pairs[start : start + AT_ONCE].T
        distance = distances(first, second, a, b)
        partner = distance.argmin(axis=2)
        least = np.take_along_axis(distance, partner[:, :, None], axis=2)[:, :, 0]
        nearest = least == np.take_along_axis(distance.min(axis=1), partner, axis=1)
        match = nearest & (least < HAMMING)
        turn = (np.take_along_axis(second.turns[b], partner, axis=1) - first.turns[a]) % 360
        step = (turn * (STEPS / 360)).astype(np.int64) % STEPS  # a hair under 360 may be rounded up
        place = step + STEPS * np.arange(len(a))[:, None]
        votes = np.bincount(place[match], minlength=STEPS * len(a)).reshape(-1, STEPS)
        alike_turned = votes + np.roll(votes, 1, axis=1) + np.roll(votes, -1, axis=1)
        found = []
        for row in np.flatnonzero(alike_turned.max(axis=1) >= MIN_TURNED):
            own = np.flatnonzero(match[row])
            found.append((start + int(row), np.stack([own, partner[row, own]], axis=1)))
        return found

    return list(chain.from_iterable(in_threads(some, range(0, len(pairs), AT_ONCE))))


def distances(
    first: Corners, second: Corners, a: NDArray[np.int64], b: NDArray[np.int64]
) -> NDArray[np.uint16]:
    """Hamming distances of each corner of the first photos `a` to each of the second photos `b`.

    Returns:
        (pairs, MAX_CORNERS, MAX_CORNERS); FAR where one of the two is missing.
    """
    x, y = first.bits[a][:, :, :, None], second.bits[b][:, :, None]
    # A word's bits, and those of two, can be counted in a byte; those of all four cannot.
    some, others = (
        np.bitwise_count(x[:, word] ^ y[:, word])
        + np.bitwise_count(x[:, word + 1] ^ y[:, word + 1])
        for word in (0, 2)
    )
    found = np.add(some, others, dtype=np.uint16)
    for pair in np.flatnonzero(first.counts[a] < MAX_CORNERS):
        found[pair, first.counts[a[pair]] :] = FAR
    for pair in np.flatnonzero(second.counts[b] < MAX_CORNERS):
        found[pair, :, second.counts[b[pair]] :] = FAR
    return found


def register(start: NDArray[np.float32], end: NDArray[np.float32]) -> NDArray[Any] | None:
    """(2, 3) where a photo lies in another, if enough of its corners at `start` agree that they
    lie at `end`, (n, 2) each."""
    if len(start) < MIN_MATCHES:
        return None
    place, agree = cv2.estimateAffinePartial2D(
        start, end, ransacReprojThreshold=REACH, maxIters=200, confidence=0.98
    )
    if place is None or agree.sum() < MIN_MATCHES:
        return None
    return place if 0.4 < np.sqrt(np.linalg.det(place[:, :2])) < 2.5 else None
