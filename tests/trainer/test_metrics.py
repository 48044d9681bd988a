import numpy as np
import pytest
from scipy.special import log_softmax
from sklearn import metrics

from trainer.metrics import fit_temperature, resampled_scores, scores, scores_with_intervals


def test_micro_f1_of_single_label_answers_is_accuracy():
    labels, answers = np.array([0, 0, 1, 2]), np.array([0, 1, 1, 1])
    values = scores(labels, answers)
    assert values["accuracy"] == values["micro_f1"] == 0.5
    assert metrics.f1_score(labels, answers, average="micro") == 0.5
    # F1 is 2/3 for species 0, 1/2 for species 1 (one of three right), 0 for species 2.
    assert values["macro_f1"] == pytest.approx((2 / 3 + 1 / 2 + 0) / 3)


def test_intervals_hold_the_value_and_narrow_with_more_photos():
    rng = np.random.default_rng(1)
    widths = []
    for count in (100, 1600):
        labels = rng.integers(0, 5, count)
        answers = np.where(rng.random(count) < 0.8, labels, rng.integers(0, 5, count))
        for score in scores_with_intervals(labels, answers, resamples=200).values():
            assert score["low"] < score["value"] < score["high"]
        widths.append(score["high"] - score["low"])
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.3)


def test_a_resample_is_scored_as_its_photos_are():
    rng = np.random.default_rng(3)
    truth, answer = (pairs.ravel() for pairs in np.indices((4, 5)))
    draws = rng.integers(0, 3, (20, len(truth))) * (rng.random((20, len(truth))) < 0.3)
    draws[:, 1] += 1  # not even one photo would be no resample
    accuracy, macro_f1 = resampled_scores(truth, answer, draws)
    for row, *found in zip(draws, accuracy, macro_f1, strict=True):
        expected = scores(truth.repeat(row), answer.repeat(row))
        assert found == pytest.approx([expected["accuracy"], expected["macro_f1"]])


def test_the_temperature_of_over_sure_logits_is_found():
    rng = np.random.default_rng(2)
    honest = rng.normal(size=(4000, 4)).astype(np.float32)
    probabilities = np.exp(log_softmax(honest, axis=1))
    labels = np.array([rng.choice(4, p=p / p.sum()) for p in probabilities])
    assert fit_temperature(honest * 3, labels) == pytest.approx(3, rel=0.1)
