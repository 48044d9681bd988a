"""Borders that augmentation or a scanner left around a photo: found, undone and cut off.

A photo that was rotated, sheared or shrunk inside its frame leaves a fill of one colour outside a
convex polygon. What tells it from a dark background: the polygon's edges are straight, long, and
the photo begins right behind them.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Photo = NDArray[Any]

SIDE = 160  # pixels to which the longer side is shrunk before a border is looked for
MIN_AREA = 0.001  # share of the frame that the fill covers, its rim left out
MAX_UNEVEN = 4.0  # mean distance of the fill from its colour, in grey levels: shadow has more
MIN_EDGE = 0.08  # an edge's length, in sides of the frame
MIN_SUPPORT = 0.6  # share of the edges behind which the photo begins at once
TOLERANCE = {"black": 24, "white": 10}  # what JPEG adds to a fill, in grey levels
RIM = 0.012  # of the side that is cut off beside a border: its edge is blurred
REACH = 3  # pixels behind an edge in which the photo has to begin


@dataclass(frozen=True)
class Border:
    """A fill around a photo.

    Attributes:
        colour: black or white.
        area: share of the frame that it covers.
        polygon: (n, 2) corners of what is left of the photo, as shares of width and height.
        axes: (2, 2) directions of the photo's own horizontal and vertical, one a column.
    """

    colour: str
    area: float
    polygon: NDArray[np.float64]
    axes: NDArray[np.float64]

    @property
    def degrees(self) -> float:
        """Clockwise rotation in degrees, -45 to 45."""
        return float(np.degrees(np.arctan2(self.axes[1, 0], self.axes[0, 0])))


def find_border(photo: Photo) -> Border | None:
    """The fill around a photo (H, W, 3) uint8, or None where there is none."""
    height, width = photo.shape[:2]
    scale = SIDE / max(height, width)
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
    rim = np.concatenate([photo[0], photo[-1], photo[:, 0], photo[:, -1]])
    rim = np.ascontiguousarray(rim.T)  # (3, n): the brightest of three is found in fewer steps
    for colour, tolerance in TOLERANCE.items():
        at_rim = rim.max(axis=0) if colour == "black" else 255 - rim.min(axis=0)
        if (at_rim <= tolerance).mean() < MIN_EDGE / 4:
            continue  # most photos end here
        channels: Sequence[Any] = cv2.split(photo if colour == "black" else 255 - photo)
        distance = cv2.max(channels[0], cv2.max(channels[1], channels[2]))
        if found := _polygon(distance, tolerance):
            polygon, edges = found
            corners = polygon / (distance.shape[1], distance.shape[0])
            area = float((_fill(distance.shape, polygon, rim=1) > 0).mean())
            return Border(colour, area, corners, _axes(edges))
    return None


def inside(border: Border, shape: tuple[int, ...], rim: int = 1) -> Photo:
    """(H, W) uint8, 255 on a photo of that shape but for its border and a rim, in pixels."""
    photo = np.zeros(shape[:2], np.uint8)
    corners = np.rint(border.polygon * (shape[1], shape[0])).astype(np.int32)
    cv2.fillPoly(photo, [corners], 255)
    return cv2.erode(photo, np.ones((2 * rim + 1, 2 * rim + 1)), borderValue=255)


def _polygon(distance: Photo, tolerance: int) -> tuple[NDArray, NDArray] | None:
    """The polygon of a photo in its fill, and its edges (n, 2, 2) inside the frame, in pixels."""
    height, width = distance.shape
    bright = np.array(distance > tolerance, np.uint8)
    photo: Photo = cv2.morphologyEx(
        bright, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8)
    )  # JPEG specks
    rows = np.flatnonzero(photo.any(axis=1))
    if not len(rows):
        return None
    ends = photo[rows].argmax(axis=1), width - 1 - photo[rows, ::-1].argmax(axis=1)
    outermost = np.concatenate([np.stack([end, rows], axis=1) for end in ends])
    hull = cv2.convexHull(outermost.astype(np.int32))
    polygon = cv2.approxPolyDP(hull, 1.5, closed=True)[:, 0].astype(np.float64)
    if len(polygon) < 3:
        return None
    fill = distance[_fill(distance.shape, polygon, rim=2) > 0]
    if len(fill) < MIN_AREA * distance.size or fill.mean() > MAX_UNEVEN:
        return None
    last = np.array([width - 1, height - 1])
    edges = np.stack([polygon, np.roll(polygon, -1, axis=0)], axis=1)
    on_first, on_last = np.all(edges <= 2, axis=1), np.all(edges >= last - 2, axis=1)
    on_frame = np.any(on_first | on_last, axis=1)
    edges = edges[~on_frame]
    lengths = np.linalg.norm(edges[:, 1] - edges[:, 0], axis=1)
    if not len(edges) or lengths.max() < MIN_EDGE * max(height, width):
        return None
    support = [_support(distance, tolerance, edge) for edge in edges]
    if np.average(support, weights=lengths) < MIN_SUPPORT:
        return None
    return polygon, edges


def _fill(shape: tuple[int, ...], polygon: NDArray, rim: int) -> Photo:
    """(H, W), 1 in the fill outside a polygon in pixels but for a rim, in pixels."""
    photo = np.zeros(shape, np.uint8)
    cv2.fillPoly(photo, [np.rint(polygon).astype(np.int32)], 1)
    return 1 - cv2.dilate(photo, np.ones((2 * rim + 1, 2 * rim + 1), np.uint8))


def _support(distance: Photo, tolerance: int, edge: NDArray) -> float:
    """Share of an edge (2, 2) behind which the photo begins within REACH pixels."""
    start, end = edge
    along = (end - start) / np.linalg.norm(end - start)
    inwards = np.array([-along[1], along[0]])  # the hull runs clockwise on the screen
    steps = np.linspace(start, end, max(3, int(np.linalg.norm(end - start))))
    places = steps[:, None] + np.arange(REACH + 1)[None, :, None] * inwards
    x, y = np.rint(places).astype(int).transpose(2, 0, 1)
    x, y = x.clip(0, distance.shape[1] - 1), y.clip(0, distance.shape[0] - 1)
    return float((distance[y, x].max(axis=1) > tolerance + 8).mean())


def _axes(edges: NDArray) -> NDArray[np.float64]:
    """The photo's own horizontal and vertical, from edges (n, 2, 2): the longest of each kind.

    Where only one kind is seen the other is taken to be square to it.
    """
    ways = edges[:, 1] - edges[:, 0]
    lengths = np.linalg.norm(ways, axis=1)
    ways = ways / lengths[:, None]
    longest = ways[lengths.argmax()]
    flat = np.abs(ways @ longest) > np.sqrt(0.5)  # those that run more along it than across
    kinds = []
    for kind in (flat, ~flat):
        if kind.any() and lengths[kind].max() > MIN_EDGE * SIDE:
            kinds.append(ways[kind][lengths[kind].argmax()])
    if len(kinds) == 1:
        kinds.append(np.array([-kinds[0][1], kinds[0][0]]))
    across, down = sorted(kinds, key=lambda way: abs(way[1]))
    return np.stack([across * np.sign(across[0]), down * np.sign(down[1])], axis=1)


def without_border(photo: Photo, border: Border) -> Photo:
    """The largest upright rectangle of a photo (H, W, 3), its turn and shear undone."""
    height, width = photo.shape[:2]
    size = np.array([width, height])
    undo = np.linalg.inv(border.axes)
    frame = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) * size
    corners = frame @ undo.T
    shift = -corners.min(axis=0)
    wide, high = np.ceil(np.ptp(corners, axis=0)).astype(int).tolist()
    moved = np.column_stack([undo, shift])
    turned = cv2.warpAffine(photo, moved, (wide, high), flags=cv2.INTER_CUBIC)
    mask = inside(border, photo.shape, rim=max(1, round(RIM * min(height, width))))
    mask[[0, -1]] = mask[:, [0, -1]] = 0
    kept = cv2.warpAffine(mask, moved, (wide, high), flags=cv2.INTER_NEAREST) > 0
    top, bottom, left, right = _largest_rectangle(kept)
    return turned[top:bottom, left:right]


def _largest_rectangle(kept: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Top, bottom, left and right of the largest rectangle in a convex region (H, W)."""
    rows = np.flatnonzero(kept.any(axis=1))
    if not len(rows):
        return 0, kept.shape[0], 0, kept.shape[1]
    left = kept[rows].argmax(axis=1)
    right = kept.shape[1] - kept[rows, ::-1].argmax(axis=1)
    # The region is convex: a rectangle fits where its first and its last row fit.
    starts, ends = np.maximum.outer(left, left), np.minimum.outer(right, right)
    heights = rows[None, :] - rows[:, None] + 1
    areas = np.where(heights > 0, heights * np.maximum(ends - starts, 0), 0)
    first, last = np.unravel_index(areas.argmax(), areas.shape)
    return (
        int(rows[first]),
        int(rows[last]) + 1,
        int(starts[first, last]),
        int(ends[first, last]),
    )
