"""The folder of a run: whether it is free, under way or finished. Imports no torch."""

import json
from collections.abc import Collection
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors import safe_open

from plumage.contract import REPORT, SPLIT_TABLE
from trainer.recipe import FITTED, Recipe, flag_of
from trainer.utils.cli import UserError

STATE = "state.safetensors"
LAST_STATE = "last.safetensors"  # of a finished run that could be trained longer
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
    holds = folder.exists() and any(file.name != SPLIT_TABLE for file in folder.iterdir())
    if holds and not resume:
        raise TrainingError(
            f"{folder} already holds a run: --resume continues it, or name another --output."
        )
    report = folder / REPORT
    if not report.exists() or has_state(folder):
        return False
    stored = json.loads(report.read_text(encoding="utf-8"))["recipe"]
    check_same(recipe, stored, folder)
    if recipe.epochs == stored["epochs"]:
        return True
    if not (folder / LAST_STATE).exists():
        raise TrainingError(
            f"{folder / LAST_STATE} is missing, from which the finished run could be trained "
            "longer: start over with another --output."
        )
    (folder / LAST_STATE).replace(folder / STATE)
    return False


def stored_run(folder: Path) -> dict[str, Any] | None:
    """The training data of the run in a folder, finished or under way; None without a run.

    Its `recipe`, and its `files` as `PhotoFolder.digest` has them, unless it is of an earlier
    version.
    """
    for name in (STATE, EARLIER_STATE):
        with suppress(Exception), safe_open(folder / name, "np") as file:  # it may be damaged
            return json.loads(file.metadata()["state"])["trained"]
    with suppress(OSError, ValueError):
        return json.loads((folder / REPORT).read_text(encoding="utf-8"))
    return None


def as_started(recipe: Recipe, stored: dict[str, Any], given: Collection[str]) -> Recipe:
    """The recipe as `Recipe.fitted` changed it when a run was started.

    Args:
        recipe: of the command line.
        stored: as `stored_run` gives it.
        given: hyperparameters that the command line names.
    """
    return replace(recipe, **{n: stored["recipe"][n] for n in FITTED if n not in given})


def check_same_photos(
    stored: dict[str, Any], digest: dict[str, Any], root: Path, folder: Path
) -> None:
    """Raise TrainingError if a run was started with photos of other names, classes or sizes.

    Args:
        stored: as `stored_run` gives it.
        digest: of the photos that are there.
        root, folder: of the photos and of the run.
    """
    before = stored.get("files", digest)
    if before != digest:
        raise TrainingError(
            f"The run in {folder} was trained on other photos: {before['count']:,} then, "
            f"{digest['count']:,} in {root} now, by their names, classes and sizes. --data names "
            "the same photos, or start over with another --output or --name."
        )


def has_state(folder: Path) -> bool:
    """Whether a run is under way; one whose state is in an earlier format has to start over."""
    return any(folder.glob("state.*"))


def remove_state(folder: Path, recipe: Recipe | None = None) -> None:
    """Remove what is needed to resume; without a state a run counts as finished.

    recipe: of a run whose last state is kept, if it could be trained longer.
    """
    if recipe and not obstacle_to_more(recipe) and (folder / STATE).exists():
        (folder / STATE).replace(folder / LAST_STATE)
    for file in (*folder.glob("earlier.*"), *folder.glob("state.*")):
        file.unlink(missing_ok=True)


def check_same(recipe: Recipe, stored: dict[str, Any], folder: Path) -> None:
    """Raise TrainingError if the run in `folder` was started with other hyperparameters."""
    changed = recipe.differences(stored)
    if changed == ["epochs"]:
        check_longer(recipe, stored["epochs"], folder)
    elif changed:
        told = ", ".join(map(flag_of, changed))
        raise TrainingError(
            f"The run in {folder} was started with another {told}: resume with the same, or "
            "start over with another --output."
        )


def obstacle_to_more(recipe: Recipe) -> str:
    """Words for what makes a recipe's first epochs depend on how many follow; empty: nothing."""
    if recipe.schedule != "constant":
        return f"the learning rate of its schedule, {recipe.schedule}, ends with that epoch"
    if recipe.first_scale != 1:
        scale = f"--initial-resolution {recipe.first_scale}"
        return f"its crops have grown from {scale} by that epoch"
    if recipe.outlier_epochs is not None:
        return "its last epochs had the outliers"
    return ""


def check_longer(recipe: Recipe, epochs: int, folder: Path) -> None:
    """Raise TrainingError unless a run that was started for `epochs` can have a recipe's epochs."""
    shorter = "it can only become longer" if recipe.epochs < epochs else ""
    why = shorter or obstacle_to_more(recipe)
    if not why:
        return
    raise TrainingError(
        f"The run in {folder} was started with --epochs {epochs}, and cannot have {recipe.epochs}: "
        f"{why}. Resume with the same, or start over with another --output."
    )
