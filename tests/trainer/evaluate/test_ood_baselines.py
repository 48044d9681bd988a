import numpy as np
import pytest
from scipy import special

from trainer.evaluate.ood_baselines import (
    SCORES,
    Seen,
    mahalanobis,
    nearest_features,
    virtual_logit,
)


def drawn(count: int, stranger: bool = False) -> tuple[Seen, np.ndarray]:
    """Features around one corner a species, those of strangers elsewhere, and linear logits."""
    rng = np.random.default_rng(count)
    labels = rng.integers(4, size=count)
    features = 0.5 * rng.normal(size=(count, 12)) + 3 * np.eye(4, 12)[labels] * (not stranger)
    features[:, 6:] += 1.5 * stranger
    return Seen(features, 2 * features[:, :4] - 1), labels


@pytest.mark.parametrize("name", SCORES)
def test_strangers_score_higher_than_nearly_all_photos_of_the_species(name: str) -> None:
    score = SCORES[name](*drawn(600))
    own, theirs = score(drawn(300)[0]), score(drawn(200, stranger=True)[0])
    assert own.shape == (300,)
    assert (theirs > np.quantile(own, 0.95)).mean() > 0.9


def test_the_distance_to_a_species_mean_is_mahalanobis() -> None:
    train, labels = drawn(4000)
    centres = np.stack([train.features[labels == s].mean(axis=0) for s in range(4)])
    inverse = np.linalg.inv(np.cov((train.features - centres[labels]).T))
    seen, _ = drawn(20)
    away = seen.features[:, None] - centres
    expected = np.einsum("nsi,ij,nsj->ns", away, inverse, away).min(axis=1)
    assert mahalanobis(train, labels)(seen) == pytest.approx(expected, rel=0.05)


def test_nearest_features_count_no_lengths() -> None:
    train, labels = drawn(300)
    seen, _ = drawn(20)
    score = nearest_features(train, labels)
    longer = Seen(5 * seen.features, seen.logits)
    assert score(longer) == pytest.approx(score(seen))


def test_the_virtual_logit_grows_along_what_training_photos_lack_and_no_logit_shows() -> None:
    train, labels = drawn(600)
    train.features[:, 6:] *= 0.01
    score = virtual_logit(train, labels)
    seen, _ = drawn(20)
    moved = Seen(seen.features + 5 * np.eye(12)[8], seen.logits)
    assert (score(moved) > score(seen)).all()
    assert score(seen).min() > -special.logsumexp(seen.logits, axis=1).max()
