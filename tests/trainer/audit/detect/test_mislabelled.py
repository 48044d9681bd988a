from unittest.mock import Mock

import numpy as np

from trainer.audit.detect.mislabelled import (
    own_probabilities,
    species_probabilities,
    suspected_label_errors,
)


def set_of(noise: float) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 50)
    logits = 7 * np.eye(4)[labels] + rng.normal(size=(200, 4)) * noise
    return labels, logits


def probabilities(logits: np.ndarray) -> np.ndarray:
    weights = np.exp(logits)
    return weights / weights.sum(axis=1, keepdims=True)


def test_wrong_labels_are_found_and_right_ones_left_alone():
    labels, logits = set_of(0.5)
    assert not len(suspected_label_errors(labels, probabilities(logits)))
    wrong = [3, 60, 120, 199]
    labels[wrong] = (labels[wrong] + 1) % 4
    assert sorted(suspected_label_errors(labels, probabilities(logits)).tolist()) == wrong


def test_a_network_that_knows_little_doubts_nothing():
    labels, logits = set_of(30.0)
    assert not len(suspected_label_errors(labels, probabilities(logits)))


def test_the_careful_network_is_asked_where_the_quick_one_hardly_believes_the_label():
    believed = np.array([[0.8, 0.2], [0.3, 0.7], [0.06, 0.94]])
    fast, accurate, photos = Mock(), Mock(), Mock(labels=np.array([0, 0, 0]))
    fast.probabilities.return_value = believed.copy()
    accurate.probabilities.return_value = np.array([[0.99, 0.01]])
    found = species_probabilities(accurate, fast, photos, np.zeros((3, 2), np.float32))
    assert accurate.logits.call_args.args[1].tolist() == [2]
    np.testing.assert_array_equal(found, [*believed[:2], [0.99, 0.01]])


def test_unknown_species_are_judged_by_a_classifier_that_did_not_see_the_photo():
    labels, logits = set_of(0.5)
    wrong = labels.copy()
    wrong[[3, 60]] = 3
    found = own_probabilities(logits[:, :3].astype(np.float32), wrong, 4)
    assert found.argmax(axis=1)[3] == 0
    assert own_probabilities(logits.astype(np.float32), labels, 5) is None
