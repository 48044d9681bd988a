import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf

from trainer.checkpoint import novelty as module
from trainer.checkpoint.novelty import (
    PART_WEIGHTS,
    Activations,
    blurred,
    corrupt,
    patched,
    statistics,
    subsample,
    swirled,
)
from trainer.model.norms import NORMS
from trainer.model.resnet import ResNet


def drawn(count: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Statistics and logits of photos of three species, and which; shifted, of none of them."""
    rng = np.random.default_rng(count)
    labels = rng.integers(3, size=count)
    values = rng.normal(size=(count, 10)) + 2 * np.eye(3, 10)[labels] + shift
    logits = rng.normal(size=(count, 3)) + 4 * np.eye(3)[labels] * (shift == 0)
    return values.astype(np.float32), logits.astype(np.float32), labels


def scores(novelty: module.Novelty, values: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return novelty(torch.from_numpy(values), torch.from_numpy(logits)).numpy()


def fit(values: np.ndarray, logits: np.ndarray, labels: np.ndarray) -> module.Novelty:
    outliers = Activations(values[::2, ::-1].copy(), logits[::2] / 4)
    return module.fit(Activations(values, logits), labels, outliers)


def test_statistics_are_each_channels_mean_and_deviation_and_a_smaller_maps_roughness():
    large, small = torch.randn(2, 3, 8, 8).relu(), torch.randn(2, 4, 5, 5).relu() + 3
    found = statistics([large, small]).numpy()
    expected = [
        *(large.mean(dim=(2, 3)), large.std(dim=(2, 3), correction=0)),
        small.diff(dim=2).abs().mean(dim=(2, 3)) + small.diff(dim=3).abs().mean(dim=(2, 3)),
        *(small.mean(dim=(2, 3)), small.std(dim=(2, 3), correction=0)),
    ]
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), atol=1e-5)


def test_a_score_is_fitted_on_photos_from_all_of_the_training_set():
    taken = subsample(np.arange(25_000))
    assert module.SAMPLE <= len(taken) < 1.1 * module.SAMPLE
    assert len(np.unique(taken // 1000)) == 25
    assert subsample(np.arange(50)).tolist() == list(range(50))


def test_the_distance_is_the_relative_mahalanobis_distance_of_its_definition():
    values, logits, labels = drawn(300)
    novelty = fit(values, logits, labels)
    x = (values / values.std(axis=0)).astype(float)
    centres = np.stack([x[labels == s].mean(axis=0) for s in range(3)])
    within = LedoitWolf().fit(x - centres[labels])
    to_species = np.stack([within.mahalanobis(x - c) for c in centres]).min(axis=0)
    expected = to_species - LedoitWolf().fit(x).mahalanobis(x)
    _, found, _ = novelty.parts(torch.from_numpy(values), torch.from_numpy(logits))
    assert np.corrcoef(found, expected)[0, 1] == pytest.approx(1, abs=1e-3)


def test_the_unit_of_a_statistic_does_not_matter():
    values, logits, labels = drawn(300)
    units = np.float32(10) ** np.linspace(-2, 2, 10, dtype=np.float32)
    found = scores(fit(values, logits, labels), values, logits)
    outliers = Activations(values[::2, ::-1] * units, logits[::2] / 4)
    other = module.fit(Activations(values * units, logits), labels, outliers)
    np.testing.assert_allclose(scores(other, values * units, logits), found, atol=1e-2)


def test_out_of_distribution_photos_score_higher_than_most_photos_of_the_species():
    novelty = fit(*drawn(300))
    known = scores(novelty, *drawn(200)[:2])
    strange = scores(novelty, *drawn(100, shift=3.0)[:2])
    assert (strange > np.quantile(known, 0.95)).mean() > 0.9


def test_each_part_counts_by_its_weight():
    values, logits, labels = drawn(300)
    novelty = fit(values, logits, labels)
    parts = novelty.parts(torch.from_numpy(values), torch.from_numpy(logits))
    deviations = [float(p.std()) / s for p, s in zip(parts, novelty.deviations, strict=True)]
    assert deviations == pytest.approx(PART_WEIGHTS)


def test_a_photo_scores_alike_alone_and_in_a_batch():
    values, logits, labels = drawn(60)
    novelty = fit(values, logits, labels)
    together = scores(novelty, values, logits)
    alone = [scores(novelty, values[i : i + 1], logits[i : i + 1])[0] for i in range(60)]
    np.testing.assert_allclose(together, alone, atol=1e-4)


def test_photos_like_the_pseudo_outliers_are_separated_from_ones_own():
    values, logits, labels = drawn(300)
    novelty = fit(values, logits, labels)
    values, logits, _ = drawn(200)
    outliers = values[:, ::-1].copy(), logits / 4
    odds = [
        novelty.parts(*map(torch.from_numpy, observed))[2].numpy()
        for observed in ((values, logits), outliers)
    ]
    assert (odds[1] > np.quantile(odds[0], 0.95)).mean() > 0.8


def test_each_photo_is_corrupted_and_keeps_its_pixels_where_it_is_rotated():
    photos = np.random.default_rng(0).integers(0, 256, (48, 12, 12, 3), dtype=np.uint8)
    before = photos.copy()
    made = corrupt(photos)
    assert (photos == before).all()
    assert all((a != b).mean() > 0.5 for a, b in zip(made, photos, strict=True))
    assert (made[2] == made[2][..., :1]).all()  # grey
    assert sorted(made[3].reshape(-1, 3).tolist()) == sorted(photos[3].reshape(-1, 3).tolist())


def test_a_blurred_photo_keeps_its_light_and_colours_and_loses_what_is_small():
    photos = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), dtype=np.uint8)
    photos[:, 48:, :, 0] = 255
    made = blurred(photos).astype(float)
    assert made.mean(axis=(1, 2)) == pytest.approx(photos.mean(axis=(1, 2)), abs=2)
    assert made[:, 60:, :, 0].min() > 230
    assert made[..., 1].std() < photos[..., 1].std() / 5


def test_a_swirled_photo_is_turned_by_half_in_the_middle_and_less_the_farther_out():
    rows, columns = np.indices((96, 96), dtype=np.uint8)
    (made,) = swirled(np.stack([rows, columns, rows], axis=2)[None]).astype(int)
    towards = made[..., :2] - 48
    for far, angle in ((2, np.pi), (40, np.pi * np.exp(-40 / 28.8))):
        row, column = towards[48, 48 + far]
        assert np.hypot(row, column) == pytest.approx(far, abs=1)
        turned = np.arctan2(row, column) % (2 * np.pi)
        assert turned == pytest.approx(angle, abs=1 / far)


def test_a_patched_photo_is_of_pieces_of_others_each_in_its_place():
    photos = np.arange(20, dtype=np.uint8)[:, None, None, None] * np.ones((12, 12, 3), np.uint8)
    made = patched(photos, 3)
    assert len(np.unique(made[0])) > 3
    for place in (made[:, 0, 0, 0], made[:, 11, 5, 0]):
        assert sorted(place) == list(range(20))


@pytest.mark.parametrize("norm", ["bn", "gn"])
def test_statistics_in_the_precision_of_training_are_those_of_float32(norm: str):
    torch.manual_seed(0)
    network = ResNet(NORMS[norm], n=1, outputs=3).eval()
    photos = np.random.default_rng(0).integers(0, 256, (40, 16, 16, 3), dtype=np.uint8)
    exact, rounded = (
        module.statistics_of(network, photos, dtype) for dtype in (torch.float32, torch.bfloat16)
    )
    for ours, theirs in zip(rounded, exact, strict=True):
        assert ours.dtype == np.float32
        np.testing.assert_allclose(ours, theirs, rtol=0.05, atol=0.05)
        assert not np.array_equal(ours, theirs)
