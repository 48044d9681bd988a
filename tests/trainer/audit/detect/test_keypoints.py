import numpy as np
import pytest
from PIL import Image

from trainer.audit.detect.keypoints import (
    FAR,
    MAX_CORNERS,
    Corners,
    distances,
    find_corners,
    matches,
    register,
)


def landscape(seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).integers(0, 256, (32, 32), dtype=np.uint8)
    return np.asarray(Image.fromarray(noise).resize((128, 128), Image.Resampling.BICUBIC))


def places(greys: list[np.ndarray], pairs: list[tuple[int, int]]) -> list[dict[int, np.ndarray]]:
    """Where the first photo of each pair lies in the second: as it is, and its mirror image."""
    both, result = find_corners(greys, [None] * len(greys), np.ones(len(greys), bool)), []
    table = np.array(pairs)
    for first in both:
        found = {}
        for row, matched in matches(first, both[0], table):
            a, b = table[row]
            place = register(first.places[a, matched[:, 0]], both[0].places[b, matched[:, 1]])
            if place is not None:
                found[row] = place
        result.append(found)
    return result


def test_a_photo_lies_in_another_where_it_was_moved_to_and_unrelated_photos_in_none():
    moved = np.roll(landscape(0), (7, -5), axis=(0, 1))
    as_is, mirrored = places([landscape(0), moved, landscape(1)], [(2, 0), (0, 1), (1, 2)])
    assert list(as_is) == [1]
    np.testing.assert_allclose(as_is[1], [[1, 0, -5], [0, 1, 7]], atol=0.5)
    assert not mirrored


@pytest.mark.parametrize("turns", [0, 1])
def test_a_mirror_image_is_found_whichever_way_it_is_turned(turns):
    other = np.rot90(landscape(0)[:, ::-1], turns)
    as_is, mirrored = places([landscape(0), np.ascontiguousarray(other)], [(0, 1)])
    assert not as_is
    assert list(mirrored) == [0]


def test_a_photo_without_corners_matches_nothing():
    blank = np.full((128, 128), 90, np.uint8)
    assert places([blank, landscape(0)], [(0, 1), (1, 0), (0, 0)]) == [{}, {}]


def test_a_photo_with_more_corners_alike_than_there_is_room_for_keeps_some():
    tile = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    corners, _ = find_corners([np.tile(tile, (6, 8))], [None], np.array([True]))
    assert corners.counts[0] == MAX_CORNERS


def test_distances_are_counted_in_bits_and_lacking_corners_are_far():
    rng = np.random.default_rng(0)

    def drawn(counts: list[int]) -> Corners:
        bits = rng.integers(0, 256, (len(counts), MAX_CORNERS, 32), dtype=np.uint8)
        for photo, count in zip(bits, counts, strict=True):
            photo[count:] = 0
        room = np.zeros((len(counts), MAX_CORNERS, 2), np.float32)
        words = bits.view(np.uint64).transpose(0, 2, 1)
        return Corners(room, room[..., 0], words, np.array(counts))

    first, second = drawn([MAX_CORNERS, 3, 0]), drawn([40, MAX_CORNERS])
    a, b = np.array([0, 1, 2, 0]), np.array([0, 1, 1, 1])
    found = distances(first, second, a, b)
    for pair, (one, other) in enumerate(zip(a, b, strict=True)):
        differ = first.bits[one].T[:, None] ^ second.bits[other].T[None]
        expected = np.unpackbits(differ.view(np.uint8), axis=2).sum(axis=2, dtype=int)
        expected[first.counts[one] :] = FAR
        expected[:, second.counts[other] :] = FAR
        np.testing.assert_array_equal(found[pair], expected)


def test_no_corner_lies_where_the_mask_is_0():
    mask = np.zeros((128, 128), np.uint8)
    mask[:, 64:] = 255
    corners, mirrored = find_corners([landscape(0)] * 2, [mask] * 2, np.array([True, False]))
    assert corners.counts[0] == corners.counts[1]
    assert mirrored.counts.tolist() == [corners.counts[0], 0]
    count = corners.counts[0]
    assert 14 < count <= MAX_CORNERS
    assert corners.places[0, :count, 0].min() >= 64
    assert mirrored.places[0, :count, 0].max() < 64
