"""Find near-duplicates: copies (flipped, turned, cropped, recompressed) and shots of one scene.

Colours, and how light and dark are spread, say which photos are worth comparing: no flip, quarter
turn or recompression changes them, and a crop changes the colours little. Two photos are
near-duplicates if one agrees with the other after registration, mirrored or not: by its corners, or
as a whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse
from sklearn.decomposition import TruncatedSVD
from torch import Tensor

from trainer.audit.detect.borders import Border, find_border, inside
from trainer.audit.detect.keypoints import Corners, find_corners, matches, register
from trainer.audit.detect.survey import Survey, in_threads

LONG_SIDE = 128  # pixels in which corners are looked for
COLOUR_SIDE = 80  # pixels in which colours are counted
WHOLE = 32  # pixels in which whole photos are compared
# Neighbours to compare with, and their smallest likeness: unrelated photos are less alike.
COLOURS, LAYOUTS = (8, 0.85), (3, 0.92)
DIMENSIONS = 128  # to which colours are shortened for the search
AT_ONCE = 500  # pairs whose whole photos are compared in one go
CELLS = 16  # of the nearest photos drawn, among whose photos neighbours are looked for
MIN_LIKENESS = 0.4  # correlation of the photos where they overlap
COPY_LIKENESS = 0.93  # from which on it is the same shot
WHOLE_LIKENESS = 0.85  # correlation of whole photos without their coarse shading

UPPER = np.triu_indices(8)

Kind = Literal["same file", "copy", "same scene"]


@dataclass(frozen=True)
class NearDuplicates:
    """Two photos of one shot or one scene.

    Attributes:
        first, second: indices of the photos.
        kind: same bytes; a copy that was flipped, turned, cropped or recompressed; another shot.
    """

    first: int
    second: int
    kind: Kind


@dataclass(frozen=True)
class Description:
    """The features that photos are compared by.

    Attributes:
        colours, layout: (dims,) float32 of length 1, the same for a photo flipped or turned by 90
            degrees.
        whole: (WHOLE, WHOLE) float16 of length 1, what varies within the photo.
        grey: (height, width) uint8, LONG_SIDE long.
        mask: (height, width) uint8 of a photo with a border: 0 on it and beside it.
    """

    colours: NDArray[np.float32]
    layout: NDArray[np.float32]
    whole: NDArray[np.float16]
    grey: NDArray[np.uint8]
    mask: NDArray[np.uint8] | None


def find_near_duplicates(
    described: Sequence[Description], digests: Sequence[str]
) -> list[NearDuplicates]:
    """Every pair of near-duplicates that is found.

    Args:
        described: the photos.
        digests: of each file's bytes.
    """
    of_digest: dict[str, list[int]] = {}
    for index, digest in enumerate(digests):
        of_digest.setdefault(digest, []).append(index)
    same = [
        NearDuplicates(*pair, "same file")
        for found in of_digest.values()
        for pair in pairwise(found)
    ]
    firsts = [found[0] for found in of_digest.values()]
    photos = [described[index] for index in firsts]
    pairs = candidates(photos)
    near = [
        NearDuplicates(firsts[a], firsts[b], kind)
        for (a, b), kind in zip(pairs.tolist(), compare(photos, pairs), strict=True)
        if kind
    ]
    return same + near


def groups(near_duplicates: Sequence[NearDuplicates], count: int) -> NDArray[np.int64]:
    """(count,) the number of each photo's group: all that are linked by near-duplicates."""
    ends = np.array([(pair.first, pair.second) for pair in near_duplicates], int).reshape(-1, 2)
    graph = sparse.coo_array((np.ones(len(ends)), ends.T), shape=(count, count))
    return sparse.csgraph.connected_components(graph, directed=False)[1].astype(np.int64)


def near_duplicate_groups(photos: Survey) -> NDArray[np.int64]:
    """(photos,) the number of each photo's group: copies and shots of one scene have the same."""

    def described(index: int) -> Description:
        photo = photos.pixels[index]
        return describe(photo, photos.sizes[index], find_border(photo))

    found = in_threads(described, range(len(photos)))
    pairs = find_near_duplicates(found, [header.digest for header in photos.headers])
    return groups(pairs, len(photos))


def describe(photo: NDArray[np.uint8], size: tuple[int, int], border: Border | None) -> Description:
    """Describe a photo (S, S, 3); a border's area is left out.

    size: its width and height before it was squeezed to a square.
    """
    grey = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)
    whole = cv2.resize(grey, (WHOLE, WHOLE), interpolation=cv2.INTER_AREA).astype(np.float32)
    layout = _layout(whole)
    whole -= cv2.GaussianBlur(whole, (0, 0), WHOLE / 8)
    whole /= np.linalg.norm(whole) + WHOLE  # a grey level: noise alone is like nothing
    scale = LONG_SIDE / max(size)
    width, height = (max(8, round(side * scale)) for side in size)
    small: NDArray[Any] = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    mask = inside(border, small.shape, rim=6) if border else None
    return Description(_colours(photo, border), layout, whole.astype(np.float16), small, mask)


def _colours(photo: NDArray[np.uint8], border: Border | None) -> NDArray[np.float32]:
    """The square root of the shares of Lab colours: its products are Bhattacharyya's."""
    small = cv2.resize(photo, (COLOUR_SIDE, COLOUR_SIDE), interpolation=cv2.INTER_AREA)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    mask = inside(border, small.shape) if border else None
    ranges = [0, 256, 64, 192, 64, 192]
    counts = cv2.calcHist([lab], [0, 1, 2], mask, [8, 12, 12], ranges).ravel()
    return np.sqrt(counts / max(1.0, counts.sum()))


def _layout(grey: NDArray[np.float32]) -> NDArray[np.float32]:
    """The layout of light and dark, whichever way up: a flip changes only signs of a cosine
    transform, a quarter turn swaps its rows and columns besides."""
    coarse = np.abs(cv2.dct(grey)[:8, :8])
    coarse[0, 0] = 0
    both = (coarse + coarse.T)[UPPER]
    return (both / (np.linalg.norm(both) + WHOLE)).astype(np.float32)


def candidates(described: Sequence[Description]) -> NDArray[np.int64]:
    """(pairs, 2) photos that may be near-duplicates: nearest in colours or in layout."""
    near = [
        _nearest(np.stack([photo.colours for photo in described]), *COLOURS),
        _nearest(np.stack([photo.layout for photo in described]), *LAYOUTS),
    ]
    return torch.cat(near).sort(dim=1).values.unique(dim=0).numpy()


def _nearest(vectors: NDArray[np.float32], neighbours: int, least: float) -> Tensor:
    """(pairs, 2) of each vector (N, dims) and those most like it, by their product.

    It is compared with those of the CELLS nearest cells only. A cell is what is nearest to one of
    sqrt(N) vectors drawn (an inverted file: Sivic and Zisserman 2003).
    """
    count, dims = vectors.shape
    drawn = np.random.default_rng(0).permutation(count)
    if dims > DIMENSIONS < count:
        svd = TruncatedSVD(DIMENSIONS, random_state=0).fit(vectors[drawn[:5000]])
        vectors = vectors @ svd.components_.T.astype(np.float32)
    table = torch.from_numpy(vectors)
    centres = table[torch.from_numpy(drawn[: max(1, round(np.sqrt(count)))])]
    cells = (table @ centres.T).topk(min(CELLS, len(centres))).indices
    rows, columns, likeness = [], [], []
    for cell in range(len(centres)):
        row = (cells == cell).any(dim=1).nonzero()[:, 0]
        column = (cells[:, 0] == cell).nonzero()[:, 0]
        alike = table[row] @ table[column].T
        alike[row[:, None] == column] = -1
        best = alike.topk(min(neighbours, len(column)))
        one, other = (best.values >= least).nonzero(as_tuple=True)
        rows.append(row[one])
        columns.append(column[best.indices[one, other]])
        likeness.append(best.values[one, other])
    first, second = torch.cat(rows), torch.cat(columns)
    order = torch.from_numpy(np.lexsort((-torch.cat(likeness).numpy(), first.numpy())))
    first, second = first[order], second[order]
    place = torch.arange(len(first)) - torch.searchsorted(first, first)
    return torch.stack([first, second], dim=1)[place < neighbours]


def compare(described: Sequence[Description], pairs: NDArray[np.int64]) -> list[Kind | None]:
    """The kind of each pair of photos (pairs, 2); None: unrelated."""
    whole = whole_likeness(np.stack([photo.whole for photo in described]), pairs) >= WHOLE_LIKENESS
    kinds: list[Kind | None] = ["copy" if copy else None for copy in whole]
    left = np.flatnonzero(~whole)
    needed, numbers = np.unique(pairs[left], return_inverse=True)
    numbers = numbers.reshape(-1, 2)
    greys = [described[index].grey for index in needed]
    laid_over = np.isin(np.arange(len(needed)), numbers[:, 0])
    masks = [described[index].mask for index in needed]
    corners, of_mirrored = find_corners(greys, masks, laid_over)

    for first, way in ((of_mirrored, -1), (corners, 1)):  # as it is has the last word

        def one(
            found: tuple[int, NDArray[np.int64]], first: Corners = first, way: int = way
        ) -> None:
            row, matched = found
            a, b = numbers[row]
            place = register(first.places[a, matched[:, 0]], corners.places[b, matched[:, 1]])
            if place is None:
                return
            alike = likeness_over(greys[a][:, ::way], greys[b], place)
            if alike >= MIN_LIKENESS:
                kinds[left[row]] = "copy" if alike >= COPY_LIKENESS else "same scene"

        in_threads(one, matches(first, corners, numbers))
    return kinds


def whole_likeness(whole: NDArray[np.float16], pairs: NDArray[np.int64]) -> NDArray[np.float32]:
    """(pairs,) highest correlation of two of the photos (N, WHOLE, WHOLE) in any of the eight
    ways up."""

    def some(start: int) -> NDArray[np.float32]:
        columns = pairs[start : start + AT_ONCE].T
        first, second = (whole[column].astype(np.float32) for column in columns)
        ways = [np.rot90(way, k, (1, 2)) for way in (first, first[:, :, ::-1]) for k in range(4)]
        return np.max([np.einsum("pij,pij->p", way, second) for way in ways], axis=0)

    found = in_threads(some, range(0, len(pairs), AT_ONCE))
    return np.concatenate([np.zeros(0, np.float32), *found])


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
