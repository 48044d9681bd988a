"""Looks at a photo: where they lie, and how their answers become one."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from plumage.looks import (
    CENTRE,
    LOOKS,
    WHOLE,
    ZOOM,
    answer,
    are_looks,
    centre_box,
    energy,
    on_photos,
    zoom_box,
)
from plumage.photos import resized

SIDE = 32
Maps = tuple[np.ndarray, np.ndarray, np.ndarray]


def brightness(seen: list[np.ndarray]):
    """A network of three species whose map is the brightness of red, green and blue."""

    def run(pixels: np.ndarray) -> Maps:
        seen.append(pixels)
        maps = pixels.reshape(len(pixels), 8, SIDE // 8, 8, SIDE // 8, 3).mean(axis=(2, 4))
        heatmaps = maps.transpose(0, 3, 1, 2).astype(np.float32) / 255
        logits = heatmaps.mean(axis=(2, 3))
        return logits, heatmaps, logits.sum(axis=1)

    return run


def noise(width: int, height: int) -> Image.Image:
    rng = np.random.default_rng(width * height)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def test_one_look_is_the_whole_photo_resized_and_its_answer_unchanged() -> None:
    seen: list[np.ndarray] = []
    run, photos = brightness(seen), [noise(60, 40), noise(30, 90)]
    found = answer(run, photos, SIDE)
    np.testing.assert_array_equal(seen[0], [np.asarray(resized(photo, SIDE)) for photo in photos])
    logits, heatmaps, novelty = run(seen[0])
    np.testing.assert_array_equal(found.logits, logits)
    np.testing.assert_array_equal(found.heatmaps, heatmaps)
    np.testing.assert_allclose(found.novelty, novelty)
    np.testing.assert_array_equal(found.frames, [[[0, 0, 1, 1]]] * 2)


def test_each_look_is_one_batch_of_all_photos() -> None:
    seen: list[np.ndarray] = []
    answer(brightness(seen), [noise(60, 40), noise(30, 90), noise(50, 50)], SIDE, LOOKS)
    assert [pixels.shape for pixels in seen] == [(3, SIDE, SIDE, 3)] * 2
    assert seen[0].dtype == np.uint8


def test_the_answer_is_the_mean_over_looks_and_the_novelty_has_its_energy() -> None:
    seen: list[np.ndarray] = []
    run = brightness(seen)
    found = answer(run, [noise(60, 40)], SIDE, (WHOLE, CENTRE, ZOOM), energy_weight=0.5)
    logits, _, novelty = zip(*map(run, seen[:3]), strict=True)
    mean = np.mean(logits, axis=0)
    np.testing.assert_allclose(found.logits, mean)
    lowest = -np.log(np.exp(mean).sum(axis=1))
    np.testing.assert_allclose(energy(mean), lowest, rtol=1e-5)
    np.testing.assert_allclose(found.novelty, np.mean(novelty, axis=0) + 0.5 * lowest, rtol=1e-5)


def test_the_energy_of_large_logits_is_finite() -> None:
    assert energy(np.array([[1000.0, 0.0]])) == pytest.approx([-1000])


def test_a_bird_beside_the_middle_is_in_the_zoom() -> None:
    photo = Image.new("RGB", (300, 200))
    photo.paste("red", (80, 30, 110, 60))
    frame = answer(brightness([]), [photo], SIDE, LOOKS).frames[0][-1]
    left, top, right, bottom = frame * [300, 200, 300, 200]
    assert right - left == pytest.approx(400 / 3)
    assert left <= 80 < 110 <= right
    assert top <= 30 < 60 <= bottom


SIZES = st.tuples(st.integers(32, 1024), st.integers(32, 1024))


@given(SIZES, st.integers(0, 7), st.integers(0, 7))
def test_looks_are_squares_inside_the_photo_wherever_the_heatmap_is(
    size: tuple[int, int], row: int, column: int
) -> None:
    heatmap = np.zeros((8, 8), np.float32)
    heatmap[row, column] = 1
    centre = centre_box(size)
    for left, top, right, bottom in (centre, zoom_box(size, centre, heatmap)):
        assert right - left == pytest.approx(bottom - top)
        assert -1e-9 <= left < right <= size[0] + 1e-9
        assert -1e-9 <= top < bottom <= size[1] + 1e-9


def test_a_heatmap_of_zeros_leaves_the_zoom_in_the_middle() -> None:
    box = zoom_box((300, 200), centre_box((300, 200)), np.zeros((8, 8), np.float32))
    assert box == pytest.approx((150 - 200 / 3, 100 - 200 / 3, 150 + 200 / 3, 100 + 200 / 3))


def test_maps_keep_their_sum_and_lie_where_the_look_was() -> None:
    maps = np.random.default_rng(0).random((2, 3, 8, 8)).astype(np.float32)
    shares = np.array([[0, 0, 1, 1], [0.5, 0.25, 0.75, 0.5]])
    laid = on_photos(maps, shares)
    assert laid.shape == (2, 3, 16, 16)
    np.testing.assert_allclose(laid.sum(axis=(2, 3)), maps.sum(axis=(2, 3)), rtol=1e-5)
    np.testing.assert_allclose(laid[0, :, ::2, ::2], maps[0] / 4, rtol=1e-5)
    inside = laid[1, :, 4:8, 8:12]
    np.testing.assert_allclose(inside.sum(axis=(1, 2)), maps[1].sum(axis=(1, 2)), rtol=1e-5)


@pytest.mark.parametrize(
    ("names", "possible"),
    [
        (list(LOOKS), True),
        ([WHOLE], True),
        ([WHOLE, ZOOM, ZOOM], True),
        ([ZOOM], False),
        ([], False),
        (["sideways"], False),
        ([WHOLE] * 5, False),
        ("whole", False),
        ([["whole"]], False),
        (None, False),
    ],
)
def test_which_looks_are_possible(names: object, possible: bool) -> None:
    assert are_looks(names) == possible
