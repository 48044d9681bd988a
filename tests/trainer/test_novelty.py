import numpy as np
import pytest
import torch
from sklearn.covariance import LedoitWolf

from trainer import novelty as module
from trainer.novelty import evenly, fit, statistics


def drawn(count: int, shift: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Statistics and logits of photos of three species, and which; shifted, of none of them."""
    rng = np.random.default_rng(count)
    labels = rng.integers(3, size=count)
    values = rng.normal(size=(count, 10)) + 2 * np.eye(3, 10)[labels] + shift
    logits = rng.normal(size=(count, 3)) + 4 * np.eye(3)[labels] * (shift == 0)
    return values.astype(np.float32), logits.astype(np.float32), labels


def scores(novelty: module.Novelty, values: np.ndarray, logits: np.ndarray) -> np.ndarray:
    return novelty(torch.from_numpy(values), torch.from_numpy(logits)).numpy()


def test_statistics_are_each_channels_mean_and_deviation():
    maps = [torch.randn(2, 3, 8, 8).relu(), torch.randn(2, 4, 5, 5).relu() + 3]
    found = statistics(maps).numpy()
    expected = [
        part for x in maps for part in (x.mean(dim=(2, 3)), x.std(dim=(2, 3), correction=0))
    ]
    np.testing.assert_allclose(found, np.concatenate(expected, axis=1), atol=1e-5)


def test_a_score_is_fitted_on_photos_from_all_of_the_training_set():
    taken = evenly(np.arange(25_000))
    assert module.SAMPLE <= len(taken) < 1.1 * module.SAMPLE
    assert len(np.unique(taken // 1000)) == 25
    assert evenly(np.arange(50)).tolist() == list(range(50))


def test_the_distance_is_the_relative_mahalanobis_distance_of_its_definition():
    values, logits, labels = drawn(300)
    novelty = fit(values, logits, labels)
    x = (values / values.std(axis=0)).astype(float)
    centres = np.stack([x[labels == s].mean(axis=0) for s in range(3)])
    within = LedoitWolf().fit(x - centres[labels])
    to_species = np.stack([within.mahalanobis(x - c) for c in centres]).min(axis=0)
    expected = to_species - LedoitWolf().fit(x).mahalanobis(x)
    _, found = novelty.parts(torch.from_numpy(values), torch.from_numpy(logits))
    assert np.corrcoef(found, expected)[0, 1] == pytest.approx(1, abs=1e-3)


def test_the_unit_of_a_statistic_does_not_matter():
    values, logits, labels = drawn(300)
    units = np.float32(10) ** np.linspace(-2, 2, 10, dtype=np.float32)
    found = scores(fit(values, logits, labels), values, logits)
    np.testing.assert_allclose(
        scores(fit(values * units, logits, labels), values * units, logits), found, atol=1e-2
    )


def test_strangers_score_higher_than_most_photos_of_the_species():
    novelty = fit(*drawn(300))
    known = scores(novelty, *drawn(200)[:2])
    strange = scores(novelty, *drawn(100, shift=3.0)[:2])
    assert (strange > np.quantile(known, 0.95)).mean() > 0.9


def test_a_photo_scores_alike_alone_and_in_a_batch():
    values, logits, labels = drawn(60)
    novelty = fit(values, logits, labels)
    together = scores(novelty, values, logits)
    alone = [scores(novelty, values[i : i + 1], logits[i : i + 1])[0] for i in range(60)]
    np.testing.assert_allclose(together, alone, atol=1e-4)
