import numpy as np
import onnxruntime
import pytest
import torch

from tests.conftest import IMAGE_SIZE, colour_checkpoint, draw_bird
from trainer.explain.faithfulness import (
    EVEN,
    Erasing,
    hottest_first,
    mean,
    mean_difference,
    outer_share,
    randomised,
    rank_correlation,
    road,
)
from trainer.model.norms import NORMS
from trainer.model.resnet import ResNet


def test_pixels_are_ranked_the_hottest_first():
    maps = np.array([[[0.1, 0.9], [0.5, 0.2]]])
    np.testing.assert_allclose(hottest_first(maps), [[[0.75, 0], [0.25, 0.5]]])


@pytest.fixture(scope="module")
def birds(tmp_path_factory):
    """A session on a checkpoint that tells colours, two red birds and a map that finds them."""
    folder = colour_checkpoint(tmp_path_factory.mktemp("colours") / "bn")
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    photo = np.asarray(draw_bird("red").resize((IMAGE_SIZE, IMAGE_SIZE)))
    photos, species = np.stack([photo, photo]), np.array([0, 0])
    finds = (photos[..., 0].astype(float) - photos[..., 1]).clip(0)
    return session, photos, species, finds


def test_a_map_that_finds_the_bird_erases_and_restores_it_sooner_than_one_that_misses(birds):
    session, photos, species, finds = birds
    erasing, misses = Erasing(session, photos, species), finds.max() - finds
    assert (erasing.deletion(finds) < erasing.deletion(misses)).all()
    assert (erasing.insertion(finds) > erasing.insertion(misses)).all()
    assert erasing.deletion(finds).shape == (2,)


def test_the_areas_are_those_under_the_curve_from_the_whole_photo_to_grey(birds):
    session, photos, species, finds = birds
    erasing = Erasing(session, photos, species)
    assert (erasing.of_grey < erasing.of_photos).all()
    area = erasing.deletion(finds)
    assert ((area > erasing.of_grey * 0.1) & (area < erasing.of_photos)).all()


def test_randomised_weights_are_the_same_numbers_elsewhere_and_the_network_is_left_alone():
    torch.manual_seed(0)
    network = ResNet(NORMS["bn"], n=1, outputs=3).eval()
    before = {k: v.clone() for k, v in network.state_dict().items()}
    other = randomised(network)
    assert all(v.equal(before[k]) for k, v in network.state_dict().items())
    mine, theirs = network.conv.weight.flatten(), other.conv.weight.flatten()
    assert not mine.equal(theirs)
    assert mine.sort().values.equal(theirs.sort().values)


def test_rank_correlation_is_spearmans_rank_correlation():
    rng = np.random.default_rng(0)
    a = rng.random((3, 8, 8))
    np.testing.assert_allclose(rank_correlation(a, a**3), 1)
    np.testing.assert_allclose(rank_correlation(a, -a), -1)
    np.testing.assert_array_equal(rank_correlation(a, np.ones_like(a)), 0)


def test_an_even_map_has_the_frames_share_of_area_and_the_middle_none():
    maps = np.zeros((3, 16, 16))
    maps[0] = 1
    maps[1, 7, 7] = 5
    maps[2, 0, 3] = 2
    np.testing.assert_allclose(outer_share(maps), [EVEN, 0, 1])
    np.testing.assert_allclose(outer_share(np.zeros((1, 4, 4))), EVEN)


def test_intervals_hold_the_mean_and_narrow_with_more_photos():
    values = np.random.default_rng(0).normal(2, 1, 400)
    few, many = mean(values[:20]), mean(values)
    assert many["low"] < many["value"] < many["high"]
    assert many["high"] - many["low"] < few["high"] - few["low"]
    apart = mean_difference(values + 1, values)
    assert apart["value"] == pytest.approx(1)
    assert apart["low"] > 0


def test_road_is_a_finite_number_a_photo_and_repeats():
    torch.manual_seed(0)
    network = ResNet(NORMS["nn"], n=1, outputs=3).eval().requires_grad_(False)
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (2, 16, 16, 3), dtype=np.uint8)
    maps = rng.random((2, 16, 16), dtype=np.float32)
    first = road(network, photos, maps, np.array([0, 1]))
    assert first.shape == (2,)
    assert np.isfinite(first).all()
    np.testing.assert_array_equal(first, road(network, photos, maps, np.array([0, 1])))
