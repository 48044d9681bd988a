"""The folder of a run: whether it is free, under way or finished. Imports no torch."""

import json
from pathlib import Path
from typing import Any

from plumage.contract import REPORT
from trainer.recipe import Recipe
from trainer.utils.cli import UserError

STATE = "state.safetensors"
EARLIER_STATE = "earlier.safetensors"  # of the epoch before, should the other be damaged


class TrainingError(UserError):
    """A run that cannot start or continue; the message says how to mend it."""


class DivergedError(TrainingError):
    """The loss is not a number any more."""


def is_finished(recipe: Recipe, folder: Path, resume: bool) -> bool:
    """Whether a folder holds the finished checkpoint of a recipe; False where it is to be trained.

    Raises:
        TrainingError: the folder holds a run that is not to be resumed, or one of another recipe.
    """
    if folder.exists() and any(folder.iterdir()) and not resume:
        raise TrainingError(
            f"{folder} already holds a run: --resume continues it, or name another --output."
        )
    report = folder / REPORT
    if not report.exists() or has_state(folder):
        return False
    check_same(recipe, json.loads(report.read_text(encoding="utf-8"))["recipe"], folder)
    return True


def has_state(folder: Path) -> bool:
    """Whether a run is under way; one whose state is in an earlier format has to start over."""
    return any(folder.glob("state.*"))


def remove_state(folder: Path) -> None:
    """Remove what is needed to resume; without a state a run counts as finished."""
    for file in (*folder.glob("earlier.*"), *folder.glob("state.*")):
        file.unlink(missing_ok=True)


def check_same(recipe: Recipe, stored: dict[str, Any], folder: Path) -> None:
    """Raise TrainingError if the run in `folder` was started with other hyperparameters."""
    if changed := recipe.differences(stored):
        told = ", ".join(f"--{name.replace('_', '-')}" for name in changed)
        raise TrainingError(
            f"The run in {folder} was started with another {told}: resume with the same, or "
            "start over with another --output."
        )
