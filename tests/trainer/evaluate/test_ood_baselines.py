import numpy as np
import pytest
from scipy import special

from trainer.evaluate.ood_baselines import (
    SCORES,
    Features,
    mahalanobis,
    nearest_features,
    virtual_logit,
)


def drawn(count: int, outlier: bool = False) -> tuple[Features, np.ndarray]:
    """Features around one corner a species, those of outliers elsewhere, and linear logits."""
    rng = np.random.default_rng(count)
    labels = rng.integers(4, size=count)
    features = 0.5 * rng.normal(size=(count, 12)) + 3 * np.eye(4, 12)[labels] * (not outlier)
    features[:, 6:] += 1.5 * outlier
    return Features(features, 2 * features[:, :4] - 1), labels


@pytest.mark.parametrize("name", SCORES)
def test_outliers_score_higher_than_nearly_all_photos_of_the_species(name: str) -> None:
    score = SCORES[name](*drawn(600))
    own, theirs = score(drawn(300)[0]), score(drawn(200, outlier=True)[0])
    assert own.shape == (300,)
    assert (theirs > np.quantile(own, 0.95)).mean() > 0.9


def test_the_distance_to_a_species_mean_is_mahalanobis() -> None:
    train, labels = drawn(4000)
    centres = np.stack([train.pooled[labels == s].mean(axis=0) for s in range(4)])
    inverse = np.linalg.inv(np.cov((train.pooled - centres[labels]).T))
    photos, _ = drawn(20)
    away = photos.pooled[:, None] - centres
    expected = np.einsum("nsi,ij,nsj->ns", away, inverse, away).min(axis=1)
    assert mahalanobis(train, labels)(photos) == pytest.approx(expected, rel=0.05)


def test_nearest_features_count_no_lengths() -> None:
    train, labels = drawn(300)
    photos, _ = drawn(20)
    score = nearest_features(train, labels)
    longer = Features(5 * photos.pooled, photos.logits)
    assert score(longer) == pytest.approx(score(photos))


def test_the_virtual_logit_grows_along_what_training_photos_lack_and_no_logit_shows() -> None:
    train, labels = drawn(600)
    train.pooled[:, 6:] *= 0.01
    score = virtual_logit(train, labels)
    photos, _ = drawn(20)
    moved = Features(photos.pooled + 5 * np.eye(12)[8], photos.logits)
    assert (score(moved) > score(photos)).all()
    assert score(photos).min() > -special.logsumexp(photos.logits, axis=1).max()
