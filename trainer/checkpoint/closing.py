"""Lines at the end of a run: scores beside guessing, and the classes that do worst."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from plumage.folders import SPLITS
from trainer.data.photo_set import PhotoSet
from trainer.metrics import Labels, scores

WORST = 5  # classes that are named


def guess(labels: Labels, test: PhotoSet) -> dict[str, Any]:
    """The scores of predicting the commonest class for every test photo.

    labels: of the training photos.
    """
    commonest = int(np.bincount(labels).argmax())
    scored = scores(test.labels, np.full_like(test.labels, commonest))
    return {"species": test.species[commonest]} | scored


def closing(report: dict[str, Any], test: PhotoSet, answers: Labels) -> Iterable[str]:
    """The closing lines of a run about its scores.

    Args:
        report: report.json.
        test: photos.
        answers: (photos,) to them.
    """
    for split in SPLITS:
        found = report["metrics"][split]
        told = "  ".join(
            f"{word} {found[name]['value']:6.1%} ({found[name]['low']:.1%} to "
            f"{found[name]['high']:.1%})"
            for name, word in (("accuracy", "accuracy"), ("macro_f1", "macro F1"))
        )
        yield f"{split:5}  {told}"
    guessed = report["guess"]
    yield (
        f"guess  always {guessed['species']}: accuracy {guessed['accuracy']:.1%}, "
        f"macro F1 {guessed['macro_f1']:.1%} on test"
    )
    rights = np.bincount(test.labels[answers == test.labels], minlength=len(test.species))
    counts = np.bincount(test.labels, minlength=len(test.species))
    recall = rights / counts
    worst = [number for number in np.argsort(recall, kind="stable")[:WORST] if recall[number] < 1]
    if worst:
        told = ", ".join(f"{test.species[i]} {rights[i]} of {counts[i]}" for i in worst)
        yield f"worst  {told} right on test"
    if report["metrics"]["test"]["accuracy"]["low"] <= guessed["accuracy"]:
        yield (
            "This is not better than guessing, by the interval on test: look for wrong labels "
            f"(python -m trainer.audit {report['recipe']['data']}), add photos, or train longer "
            "(--epochs)."
        )
