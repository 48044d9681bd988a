"""Relatives among photos: copies (flipped, turned, cropped, recompressed) and shots of one scene.

Colours, and how light and dark are spread, say which photos are worth comparing: no flip, quarter
turn or recompression changes them, and a crop changes the colours little. Two photos are relatives
if one laid over the other, mirrored or not, agrees with it: by keypoints (ORB: Rublee et al. 2011),
or as a whole where it has few.
"""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft, sparse
from sklearn.decomposition import TruncatedSVD
from torch import Tensor

from trainer.audit.borders import Border, inside
from trainer.audit.survey import Pixels

LONG_SIDE = 128  # pixels in which keypoints are looked for
KEYPOINTS = 100
COLOUR_SIDE = 80  # pixels in which colours are counted
WHOLE = 32  # pixels in which whole photos are compared
# Neighbours to compare with, and their least likeness: relatives have more than strangers.
COLOURS, LAYOUTS = (8, 0.83), (3, 0.92)
DIMENSIONS = 128  # to which colours are shortened for the search
LEAST_MATCHES = 14  # keypoints that agree on one place, turn and size; strangers reach 12
LEAST_LIKENESS = 0.4  # correlation of the photos where they overlap
COPY_LIKENESS = 0.93  # from which on it is the same shot
WHOLE_LIKENESS = 0.85  # correlation of whole photos without their coarse shading
REACH = 4.0  # pixels by which keypoints that agree may differ
HAMMING = 64  # of 256 bits in which keypoints that agree may differ


@dataclass(frozen=True)
class Relatives:
    """Two photos of one shot or one scene.

    Attributes:
        first, second: indices of the photos.
        kind: same bytes; a copy that was flipped, turned, cropped or recompressed; another shot.
    """

    first: int
    second: int
    kind: Literal["same file", "copy", "same scene"]


@dataclass(frozen=True)
class Described:
    """What photos are compared by.

    Attributes:
        colours, layouts: (N, dims) float32 of length 1, the same for a photo flipped or turned by
            90 degrees.
        whole: (N, WHOLE, WHOLE) float16 of length 1, what varies within a photo.
        greys: (height, width) uint8 of each photo, LONG_SIDE long.
        masks: (height, width) uint8 of each photo with a border: 0 on it and beside it.
    """

    colours: NDArray[np.float32]
    layouts: NDArray[np.float32]
    whole: NDArray[np.float16]
    greys: list[NDArray[np.uint8]]
    masks: list[NDArray[np.uint8] | None]


def find_relatives(
    pixels: Pixels | NDArray[np.uint8],
    sizes: Sequence[tuple[int, int]],
    borders: Sequence[Border | None],
    digests: Sequence[str],
) -> list[Relatives]:
    """Every pair of relatives that is found.

    Args:
        pixels: (N, S, S, 3), the photos squeezed to squares.
        sizes: width and height of each before.
        borders: of each.
        digests: of each file's bytes.
    """
    of_digest: dict[str, list[int]] = {}
    for index, digest in enumerate(digests):
        of_digest.setdefault(digest, []).append(index)
    same = [
        Relatives(*pair, "same file") for found in of_digest.values() for pair in pairwise(found)
    ]
    firsts = np.array([found[0] for found in of_digest.values()])
    described = describe(pixels, firsts, sizes, borders)
    pairs = candidates(described)
    near = [
        Relatives(int(firsts[a]), int(firsts[b]), kind)
        for (a, b), kind in zip(pairs, compare(described, pairs), strict=True)
        if kind
    ]
    return same + near


def groups(relatives: Sequence[Relatives], count: int) -> NDArray[np.int64]:
    """(count,) the number of each photo's group: all that are linked by relatives."""
    ends = np.array([(pair.first, pair.second) for pair in relatives], int).reshape(-1, 2)
    graph = sparse.coo_array((np.ones(len(ends)), ends.T), shape=(count, count))
    return sparse.csgraph.connected_components(graph, directed=False)[1].astype(np.int64)


def describe(
    pixels: Pixels | NDArray[np.uint8],
    which: NDArray[np.int64],
    sizes: Sequence[tuple[int, int]],
    borders: Sequence[Border | None],
) -> Described:
    """What the photos `which` are compared by; what a border covers is left out."""

    def one(index: int) -> tuple[NDArray, NDArray, NDArray, NDArray, NDArray | None]:
        photo, border = pixels[index], borders[index]
        grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
        whole = cv2.resize(grey, (WHOLE, WHOLE), interpolation=cv2.INTER_AREA).astype(np.float32)
        layout = _layout(whole)
        whole -= cv2.GaussianBlur(whole, (0, 0), WHOLE / 8)
        whole /= np.linalg.norm(whole) + WHOLE  # a grey level: noise alone is like nothing
        width, height = sizes[index]
        scale = LONG_SIDE / max(width, height)
        size = max(8, round(width * scale)), max(8, round(height * scale))
        small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        mask = inside(border, small.shape, rim=6) if border else None
        return _colours(photo, border), layout, whole.astype(np.float16), small, mask

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(one, which.tolist()))
    colours, layouts, whole, greys, masks = zip(*parts, strict=True)
    return Described(np.stack(colours), np.stack(layouts), np.stack(whole), [*greys], [*masks])


def _colours(photo: NDArray[np.uint8], border: Border | None) -> NDArray[np.float32]:
    """The square root of the shares of Lab colours: its products are Bhattacharyya's."""
    small = cv2.resize(photo, (COLOUR_SIDE, COLOUR_SIDE), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    mask = inside(border, small.shape) if border else None
    ranges = [0, 256, 64, 192, 64, 192]
    counts = cv2.calcHist([lab], [0, 1, 2], mask, [8, 12, 12], ranges).ravel()
    return np.sqrt(counts / max(1.0, counts.sum()))


def _layout(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """How light and dark are spread, whichever way up: a flip changes only signs of a cosine
    transform, a quarter turn swaps its rows and columns besides."""
    coarse = np.abs(fft.dctn(grey, norm="ortho")[:8, :8])
    coarse[0, 0] = 0
    both = (coarse + coarse.T)[np.triu_indices(8)]
    return (both / (np.linalg.norm(both) + WHOLE)).astype(np.float32)


def candidates(described: Described) -> NDArray[np.int64]:
    """(pairs, 2) photos that may be relatives: nearest in colours or in layout."""
    near = [_nearest(described.colours, *COLOURS), _nearest(described.layouts, *LAYOUTS)]
    return torch.cat(near).sort(dim=1).values.unique(dim=0).numpy()


def _nearest(vectors: NDArray[np.float32], neighbours: int, least: float) -> Tensor:
    """(pairs, 2) of each vector (N, dims) and those most like it, by their product."""
    count, dims = vectors.shape
    if dims > DIMENSIONS < count:
        drawn = np.random.default_rng(0).permutation(count)[:5000]
        svd = TruncatedSVD(DIMENSIONS, random_state=0).fit(vectors[drawn])
        vectors = svd.transform(vectors).astype(np.float32)
    table, found = torch.from_numpy(vectors), []
    for start in range(0, count, 1000):
        rows = table[start : start + 1000]
        likeness = rows @ table.T
        own = torch.arange(len(rows))
        likeness[own, own + start] = -1
        best = likeness.topk(min(neighbours, count - 1))
        row, column = (best.values >= least).nonzero(as_tuple=True)
        found.append(torch.stack([row + start, best.indices[row, column]], dim=1))
    return torch.cat(found)


def compare(
    described: Described, pairs: NDArray[np.int64]
) -> Iterator[Literal["copy", "same scene"] | None]:
    """What the photos of each pair (pairs, 2) are to each other."""
    needed = np.unique(pairs).tolist()

    def keypoints(index: int) -> tuple[Keypoints, Keypoints]:
        grey, mask = described.greys[index], described.masks[index]
        mirrored = np.ascontiguousarray(grey[:, ::-1])
        mirrored_mask = None if mask is None else np.ascontiguousarray(mask[:, ::-1])
        return find_keypoints(grey, mask), find_keypoints(mirrored, mirrored_mask)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        of = dict(zip(needed, pool.map(keypoints, needed), strict=True))

        def one(pair: NDArray[np.int64]) -> Literal["copy", "same scene"] | None:
            a, b = pair.tolist()
            if whole_likeness(described.whole[a], described.whole[b]) >= WHOLE_LIKENESS:
                return "copy"
            grey, onto = described.greys[a], described.greys[b]
            for mirrored in (False, True):
                place = lay_over(of[a][mirrored], of[b][False])
                if place is None:
                    continue
                alike = likeness_over(grey[:, ::-1] if mirrored else grey, onto, place)
                if alike >= LEAST_LIKENESS:
                    return "copy" if alike >= COPY_LIKENESS else "same scene"
            return None

        yield from pool.map(one, pairs)


def whole_likeness(first: NDArray[np.float16], second: NDArray[np.float16]) -> float:
    """Highest correlation of two photos, (WHOLE, WHOLE) each, in any of the eight ways up."""
    a, b = first.astype(np.float32), second.astype(np.float32).ravel()
    ways = [np.rot90(way, turns) for way in (a, a[:, ::-1]) for turns in range(4)]
    return float(max(way.ravel() @ b for way in ways))


@dataclass(frozen=True)
class Keypoints:
    """Corners of a photo: places (n, 2) in pixels and descriptors (n, 32) uint8."""

    places: NDArray[np.float32]
    bits: NDArray[np.uint8]


def find_keypoints(grey: NDArray[np.uint8], mask: NDArray[np.uint8] | None) -> Keypoints:
    """Corners of a grey photo where `mask`, if given, is not 0."""
    orb = cv2.ORB.create(KEYPOINTS, 1.2, 6, edgeThreshold=12, patchSize=25, fastThreshold=5)
    found, bits = orb.detectAndCompute(grey, mask)
    places = np.array([point.pt for point in found], np.float32).reshape(-1, 2)
    return Keypoints(
        places, np.zeros((0, 32), np.uint8) if bits is None else np.asarray(bits, np.uint8)
    )


def lay_over(first: Keypoints, second: Keypoints) -> NDArray[Any] | None:
    """(2, 3) where the first photo lies in the second, if enough keypoints agree on it."""
    if min(len(first.bits), len(second.bits)) < LEAST_MATCHES:
        return None
    matcher = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True)
    near = [m for m in matcher.match(first.bits, second.bits) if m.distance < HAMMING]
    if len(near) < LEAST_MATCHES:
        return None
    start = first.places[[match.queryIdx for match in near]]
    end = second.places[[match.trainIdx for match in near]]
    place, agree = cv2.estimateAffinePartial2D(
        start, end, ransacReprojThreshold=REACH, maxIters=200, confidence=0.98
    )
    if place is None or agree.sum() < LEAST_MATCHES:
        return None
    return place if 0.4 < np.sqrt(np.linalg.det(place[:, :2])) < 2.5 else None


def likeness_over(
    first: NDArray[np.uint8], second: NDArray[np.uint8], place: NDArray[np.float64]
) -> float:
    """Correlation of the second photo with the first laid over it, where they overlap."""
    size = second.shape[1], second.shape[0]
    moved = cv2.warpAffine(np.ascontiguousarray(first), place, size)
    there = cv2.warpAffine(np.full_like(first, 255), place, size) == 255
    if there.mean() < 0.05:
        return 0.0
    a, b = (cv2.GaussianBlur(x, (0, 0), 2).astype(np.float32)[there] for x in (moved, second))
    a, b = a - a.mean(), b - b.mean()
    return float(a @ b / np.sqrt(a @ a * (b @ b) + 1))
