"""Photos that teach little: tiny, blurred, empty."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trainer.audit.detect.borders import Border, inside

TINY = 64  # shorter side in pixels; in a set of large photos a quarter of the usual one
EMPTY = 12.0  # grey levels between the darkest and the brightest hundredth
BLURRED = 0.6  # sharpness below which a photo is called blurred: sharp ones have 0.75 or more
NOISE = 2.0  # grey levels that count for nothing


@dataclass(frozen=True)
class Measures:
    """Measures of a photo's quality.

    Attributes:
        contrast: grey levels between its darkest and brightest hundredth.
        sharpness: its finest detail over the next coarser one; both are those of its sharpest
            places, so that a blurred background is no fault.
        colour: (6,) mean and deviation of red, green and blue.
        corners: (24,) the same of each corner, a tenth of the side wide.
    """

    contrast: float
    sharpness: float
    colour: NDArray[np.float32]
    corners: NDArray[np.float32]


def measure(photo: NDArray[np.uint8], size: tuple[int, int], border: Border | None) -> Measures:
    """Measures of a photo (S, S, 3) that had this width and height before it was squeezed.

    Colours and corners are of the photo with its border, the rest of what is inside it.
    """
    grey: NDArray[Any] = cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY).astype(np.float32)
    if min(size) < len(grey):  # what was made larger is soft, not blurred
        own = max(8, min(size[0], len(grey))), max(8, min(size[1], len(grey)))
        grey = cv2.resize(grey, own, interpolation=cv2.INTER_AREA)
    fine = cv2.GaussianBlur(grey, (0, 0), 1)
    coarse = cv2.GaussianBlur(fine, (0, 0), 2)
    detail: list[NDArray[Any]] = [cv2.absdiff(grey, fine), cv2.absdiff(fine, coarse)]
    if border:
        kept = inside(border, grey.shape, rim=4) > 0
        grey, detail = grey[kept], [finer[kept] for finer in detail]
    low, high = _ranked(grey, 0.01, 0.99)
    (finest,), (next_to_it,) = (_ranked(d, 0.99) for d in detail)
    side = max(1, photo.shape[0] // 10)
    ends = slice(None, side), slice(-side, None)
    places = [photo[y, x] for y in ends for x in ends]
    return Measures(
        contrast=float(high - low),
        sharpness=float(finest / (next_to_it + NOISE)),
        colour=_colour(photo),
        corners=np.concatenate([_colour(place) for place in places]),
    )


def _ranked(values: NDArray[np.float32], *shares: float) -> list[float]:
    """The values below which those shares of them lie; 0 where there is none.

    Every second value is looked at: of a photo's thousands it makes no difference.
    """
    some = values.ravel()[::2]
    if not some.size:
        return [0.0] * len(shares)
    places = [int(share * (some.size - 1)) for share in shares]
    # One at a time: a partition at two places takes four times as long.
    return [float(np.partition(some, place)[place]) for place in places]


def _colour(photo: NDArray[np.uint8]) -> NDArray[np.float32]:
    mean, deviation = cv2.meanStdDev(photo)
    return np.concatenate([mean, deviation]).ravel().astype(np.float32)


def tiny(sizes: Sequence[tuple[int, int]]) -> NDArray[np.bool_]:
    """(photos,) whether each photo is tiny; sizes are widths and heights."""
    shorter = np.array(sizes).min(axis=1)
    return shorter < max(TINY, np.median(shorter) / 4)


def empty(measures: Sequence[Measures]) -> NDArray[np.bool_]:
    """(photos,) whether there is next to nothing on each photo."""
    return np.array([m.contrast < EMPTY for m in measures])


def blurred(measures: Sequence[Measures]) -> NDArray[np.bool_]:
    """(photos,) whether even the sharpest places of each photo are blurred."""
    return np.array([m.sharpness < BLURRED for m in measures])
