"""Several looks at a photo, combined into one answer: the one implementation of trainer and app.

A look is a part of the photo, resized to the network's square. A photo as people take it is wider
than high, and its bird is small: the largest square in its middle is not squeezed, and a closer one
lies where the first look's heatmap says that the bird is.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

WHOLE, CENTRE, ZOOM = "whole", "centre", "zoom"
ONE_LOOK = (WHOLE,)
# Chosen on val photos and photos as people take them; docs/results/uncertainty.md has the others.
LOOKS = (CENTRE, ZOOM)
ZOOM_SIDE = 2 / 3  # of the photo's shorter side

Box = tuple[float, float, float, float]  # left, top, right, bottom, in pixels of the photo
Floats = NDArray[np.float32]
# Photos (N, S, S, 3) uint8 -> logits (N, species), heatmaps (N, species, h, w), novelty (N,).
Run = Callable[[NDArray[np.uint8]], tuple[Floats, Floats, Floats]]


class Answer(NamedTuple):
    """The combined answer of a network's looks at N photos.

    Attributes:
        logits: (N, species) float32, the mean over looks.
        heatmaps: (N, species, H, W) float32 over the whole photo: the sum of the looks' maps, each
            where it looked.
        novelty: (N,) float32, the mean over looks, and weighted the energy of `logits`.
        frames: (N, looks, 4) float64, left, top, right, bottom of each as parts of the photo.
    """

    logits: Floats
    heatmaps: Floats
    novelty: Floats
    frames: NDArray[np.float64]


def answer(
    run: Run,
    photos: Sequence[Image.Image],
    side: int,
    names: Sequence[str] = ONE_LOOK,
    energy_weight: float = 0.0,
) -> Answer:
    """Look at RGB photos of any shape, and combine what the network says.

    Args:
        run: the network.
        photos: one at least.
        side: S, of the network's square in pixels.
        names: of the looks, in order; `are_looks` says which are possible.
        energy_weight: of the energy (Liu et al. 2020, arXiv:2010.03759) in the novelty.
    """
    sizes = [photo.size for photo in photos]
    boxes: list[list[Box]] = []
    found: list[tuple[Floats, Floats, Floats]] = []
    for name in names:
        if name == ZOOM:
            logits, heatmaps, _ = found[-1]
            maps = heatmaps[np.arange(len(photos)), logits.argmax(axis=1)]
            boxes.append(list(map(zoom_box, sizes, boxes[-1], maps)))
        else:
            boxes.append(list(map(whole_box if name == WHOLE else centre_box, sizes)))
        found.append(run(np.stack(list(map(pixels_of, photos, boxes[-1], [side] * len(photos))))))
    logits = np.mean([part[0] for part in found], axis=0)
    novelty = np.mean([part[2] for part in found], axis=0) + energy_weight * energy(logits)
    shares = np.array(boxes) / np.array([[*size, *size] for size in sizes])
    heatmaps = found[0][1]
    if tuple(names) != ONE_LOOK:
        heatmaps = np.sum(list(map(on_photos, [part[1] for part in found], shares)), axis=0)
    return Answer(logits, heatmaps, novelty.astype(np.float32), shares.swapaxes(0, 1))


def are_looks(names: object) -> bool:
    """Whether these are names of looks in a possible order: a zoom follows another look."""
    return (
        isinstance(names, list)
        and 0 < len(names) <= 4
        and all(name in (WHOLE, CENTRE, ZOOM) for name in names)
        and names[0] != ZOOM
    )


def pixels_of(photo: Image.Image, box: Box, side: int) -> NDArray[np.uint8]:
    """A part of a photo as the network sees it: (side, side, 3) uint8."""
    # As plumage.photos.resized does with a whole photo.
    return np.asarray(photo.resize((side, side), Image.Resampling.BICUBIC, box=box))


def whole_box(size: tuple[int, int]) -> Box:
    """The whole photo."""
    return 0, 0, size[0], size[1]


def centre_box(size: tuple[int, int]) -> Box:
    """The largest square in the middle."""
    return square(size, min(size), size[0] / 2, size[1] / 2)


def zoom_box(size: tuple[int, int], seen: Box, heatmap: Floats) -> Box:
    """The square of ZOOM_SIDE round the centre of mass of a heatmap (h, w) of the part seen."""
    weights = heatmap.astype(np.float64) if heatmap.any() else np.ones(heatmap.shape)
    weights = weights / weights.sum()
    height, width = heatmap.shape
    across = weights.sum(axis=0) @ (np.arange(width) + 0.5) / width
    down = weights.sum(axis=1) @ (np.arange(height) + 0.5) / height
    left, top, right, bottom = seen
    x, y = left + across * (right - left), top + down * (bottom - top)
    return square(size, ZOOM_SIDE * min(size), x, y)


def square(size: tuple[int, int], side: float, x: float, y: float) -> Box:
    """The square of a side round a place, moved into the photo."""
    left, top = (
        min(max(centre - side / 2, 0), length - side)
        for centre, length in zip((x, y), size, strict=True)
    )
    return left, top, left + side, top + side


def energy(logits: Floats) -> Floats:
    """-log sum exp of the logits (N, species): (N,), larger out of distribution."""
    largest = logits.max(axis=1, keepdims=True)
    lowest = -(np.log(np.exp(logits - largest).sum(axis=1)) + largest[:, 0])
    return lowest.astype(np.float32)


def on_photos(heatmaps: Floats, shares: NDArray[np.float64]) -> Floats:
    """Heatmaps (N, species, h, w) of parts of photos, laid on grids of 2h x 2w over the photos.

    shares: (N, 4), left, top, right, bottom of each part. A map keeps its sum.
    """
    height, width = heatmaps.shape[2:]
    left, top, right, bottom = shares.T
    rows, columns = overlaps(top, bottom, height), overlaps(left, right, width)
    laid = rows[:, None] @ heatmaps @ columns[:, None].swapaxes(2, 3)
    return laid.astype(np.float32)


def overlaps(start: NDArray[np.float64], end: NDArray[np.float64], cells: int) -> Floats:
    """(N, 2 cells, cells): how much of each cell of a part lies in each cell of the photo.

    start, end: (N,), of the parts along the photo, 0 to 1.
    """
    places = np.linspace(0, 1, cells + 1)
    edges = start[:, None] + places * (end - start)[:, None]
    grid = np.linspace(0, 1, 2 * cells + 1)
    low = np.maximum(edges[:, None, :-1], grid[None, :-1, None])
    high = np.minimum(edges[:, None, 1:], grid[None, 1:, None])
    length = ((end - start) / cells)[:, None, None]
    shares: Floats = ((high - low).clip(0) / length).astype(np.float32)
    return shares
