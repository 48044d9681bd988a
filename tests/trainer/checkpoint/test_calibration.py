import numpy as np
import pytest
from scipy import special

from plumage.contract import SET_LEVELS
from trainer.checkpoint.calibration import coverage, prediction_sets, set_thresholds


def drawn(count: int, seed: int, species: int = 8) -> tuple[np.ndarray, np.ndarray]:
    """Logits that know something, overconfidently, and the species that they are about."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(species, size=count)
    logits = rng.normal(size=(count, species)) + 2 * np.eye(species)[labels]
    return (4 * logits).astype(np.float32), labels


def test_over_many_draws_the_sets_hold_the_species_as_often_as_promised_and_little_more():
    held: dict[str, list[float]] = {str(level): [] for level in SET_LEVELS}
    for seed in range(200):
        thresholds = set_thresholds(*drawn(100, seed))
        found = coverage(*drawn(200, seed + 1000), thresholds)
        for level, result in found.items():
            held[level].append(result["coverage"])
    for level in SET_LEVELS:
        # Between level and level + 1 / 101 on average, but for the chance of the 40,000 photos.
        assert level - 0.005 <= np.mean(held[str(level)]) <= level + 1 / 101 + 0.005


def test_a_set_is_the_likeliest_species_down_to_the_threshold_and_never_empty():
    probabilities = np.array([[0.5, 0.3, 0.2], [0.36, 0.34, 0.3]])
    logits = np.log(probabilities).astype(np.float32)
    assert prediction_sets(logits, 0.25).tolist() == [[True, True, False], [True, True, True]]
    assert prediction_sets(logits, 0.9).tolist() == [[True, False, False], [True, False, False]]


def test_the_threshold_is_the_order_statistic_of_the_definition():
    logits, labels = drawn(99, 3)
    own = np.sort(special.softmax(logits, axis=1)[range(99), labels])
    assert set_thresholds(logits, labels) == pytest.approx({"0.9": own[9], "0.95": own[4]})


def test_too_few_photos_to_promise_so_much_give_the_set_of_all_species():
    logits, labels = drawn(15, 0)
    labels[:8] = range(8)
    thresholds = set_thresholds(logits, labels)
    assert thresholds["0.95"] == 0
    assert thresholds["0.9"] > 0
    assert coverage(logits, labels, thresholds)["0.95"]["size"] == 8


def test_coverage_and_size_of_each_species_average_to_the_whole():
    logits, labels = drawn(800, 5)
    labels[:] = np.tile(range(8), 100)
    result = coverage(logits, labels, set_thresholds(*drawn(400, 6)))["0.9"]
    assert np.mean(result["species_coverage"]) == pytest.approx(result["coverage"])
    assert np.mean(result["species_size"]) == pytest.approx(result["size"])
    assert 0 <= result["single"] <= 1
