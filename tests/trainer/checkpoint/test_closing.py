from pathlib import Path

import numpy as np
import pytest

from trainer.checkpoint.closing import closing, guess
from trainer.data.photo_set import PhotoSet
from trainer.metrics import scores_with_intervals

NAMES = ("Crow", "Kite", "Myna")


def said(answers: np.ndarray, labels: np.ndarray) -> str:
    test = PhotoSet(Path(), labels, NAMES, {}, "")
    found = scores_with_intervals(labels, answers)
    report = {
        "metrics": dict.fromkeys(("train", "val", "test"), found),
        "guess": guess(np.array([0, 1, 1, 2]), test),
        "recipe": {"data": "mine"},
    }
    return "\n".join(closing(report, test, answers))


def test_scores_stand_beside_what_guessing_would_score_and_the_worst_classes():
    labels = np.repeat([0, 1, 2], 20)
    answers = labels.copy()
    answers[20:25] = 0
    text = said(answers, labels)
    assert "accuracy  91.7% (" in text
    assert "guess  always Kite: accuracy 33.3%, macro F1 16.7% on test" in text
    assert "worst  Kite 15 of 20 right on test" in text
    assert "not better than guessing" not in text


@pytest.mark.parametrize("answer", [0, 1, 2])
def test_a_run_at_chance_says_so_and_what_to_do(answer):
    labels = np.repeat([0, 1, 2], 20)
    text = said(np.full(60, answer), labels)
    assert "This is not better than guessing" in text
    assert "python -m trainer.audit mine" in text


def test_where_all_is_right_no_class_is_the_worst():
    labels = np.repeat([0, 1, 2], 20)
    assert "worst" not in said(labels, labels)
