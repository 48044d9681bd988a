"""Families of runs that answer one question each, repeated by one command.

    python -m trainer.studies norms --data PHOTOS
    python -m trainer.studies --list

What is done already is skipped, what was interrupted goes on, and several of these commands
started side by side share the work. The answer is one tidy table, checkpoints/studies/NAME.csv.
"""

import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pandas as pd
import torch
import tyro
from filelock import FileLock, Timeout
from tqdm import tqdm

from trainer.checkpoint import CHECKPOINTS, make_checkpoint
from trainer.export import ExportError
from trainer.files import replacing
from trainer.memory import keep_memory
from trainer.photos import PhotoFolder, PhotoSetError
from trainer.recipe import NormKey, Recipe
from trainer.training import TrainingError, new_run, train

TABLES = CHECKPOINTS / "studies"


@dataclass(frozen=True)
class Study:
    """One question and the runs that answer it.

    Attributes:
        question: what is asked.
        budget: what all runs have in common.
        changes: for each run, what it changes of the budget.
        checkpoints: whether each run ends as a whole checkpoint.
    """

    question: str
    budget: Recipe
    changes: Sequence[dict[str, Any]]
    checkpoints: bool = False

    @property
    def recipes(self) -> dict[str, Recipe]:
        """Every run by a name that says what is special about it."""
        return {
            ",".join(f"{key}={value}" for key, value in change.items()) or "as-it-is": replace(
                self.budget, **change
            )
            for change in self.changes
        }

    @property
    def varied(self) -> list[str]:
        """Names of the hyperparameters that differ between runs."""
        return list(dict.fromkeys(key for change in self.changes for key in change))


SHORT = replace(Recipe(), image_size=64, epochs=6)
STUDIES = {
    "recipe": Study(
        "What does each part of the recipe bring, at 64 px and in 4 epochs?",
        replace(SHORT, epochs=4),
        [
            {},
            {"seed": 1},
            {"label_smoothing": 0.0},
            {"weight_decay": 1e-4},
            {"learning_rate": 0.1},
            {"augmentation": "crops-and-colour"},
            {"first_scale": 1.0},
            {"optimizer": "adamw", "learning_rate": 3e-3, "weight_decay": 0.05},
            {"schedule": "cosine", "warmup": 0.25},
            {"augmentation": "none"},
        ],
    ),
    "norms": Study(
        "Which norm is best when all train alike, and how much is chance?",
        SHORT,
        [
            # Without a norm the recipe's learning rate of 0.2 ends in numbers that are none.
            {"norm": norm, "seed": seed} | ({"learning_rate": 0.05} if norm == "nn" else {})
            for seed in range(3)
            for norm in get_args(NormKey)
        ],
        checkpoints=True,
    ),
}


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status: 0, 2 for what the user can mend, 130 if stopped."""
    command = tyro.cli(
        Command,
        prog="python -m trainer.studies",
        args=arguments,
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    if command.list or command.name is None:
        for name, study in STUDIES.items():
            print(f"{name:12} {len(study.changes):3} runs  {study.question}")
        return 0
    try:
        run_study(command.name, Path(command.data), Path(command.output))
    except (PhotoSetError, TrainingError, ExportError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nStopped. The same command goes on from here.")
        return 130
    return 0


@dataclass(frozen=True)
class Command:
    """Run a study: every run that it lacks, then its table."""

    name: Annotated[Literal["recipe", "norms"] | None, tyro.conf.Positional] = None
    """Which study."""
    data: str = Recipe.data
    """Folder with train/, val/ and test/ inside, each with one folder of photos a species."""
    output: str = Recipe.output
    """Folder in which the runs are kept."""
    list: bool = False
    """Say which studies there are."""


def run_study(name: str, data: Path, output: Path) -> None:
    """Do what is not done yet of a study and write its table."""
    keep_memory()
    torch.set_flush_denormal(True)
    study, home = STUDIES[name], output / "studies" / name
    source = PhotoFolder(data)
    source.check()
    for run_name, budget in tqdm(study.recipes.items(), name, unit=" runs", position=1):
        folder = home / run_name
        recipe = replace(budget, data=str(data), output=str(output))
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / ".lock", blocking=False):
                if finished(folder):
                    continue
                if study.checkpoints:
                    make_checkpoint(recipe, folder, resume=True)
                else:
                    finish(folder, recipe, source, output / "cache")
        except Timeout:
            continue  # another command is at it
    write_table(study, home, TABLES / f"{name}.csv")


def finished(folder: Path) -> bool:
    """Whether a run has been trained and measured."""
    return (folder / "history.csv").exists() and not (folder / "state.pt").exists()


def finish(folder: Path, recipe: Recipe, source: PhotoFolder, cache: Path) -> None:
    """Train a run to its end."""
    photos = {
        "train": source.load("train", recipe.stored_size, cache),
        "val": source.load("val", recipe.image_size, cache),
    }
    run = new_run(recipe, len(source.species))
    state = folder / "state.pt"
    if state.exists():
        run.restore(folder, recipe)
    train(run, recipe, photos, folder)
    state.unlink()


def write_table(study: Study, home: Path, path: Path) -> None:
    """Write the histories of a study's finished runs, one below the other."""
    parts = []
    for name, recipe in study.recipes.items():
        if finished(home / name):
            history = pd.read_csv(home / name / "history.csv")
            if study.checkpoints:
                history = pd.concat([history, measured(home / name)])
            # The history's own learning rate is that of each epoch.
            for place, key in enumerate(k for k in study.varied if k not in history):
                history.insert(place, key, getattr(recipe, key))
            parts.append(history)
    print(f"{len(parts)} of {len(study.changes)} runs are done")
    if parts:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            pd.concat(parts).to_csv(temporary, index=False, float_format="%.6g")
        print(f"{path} holds their histories")


def measured(folder: Path) -> pd.DataFrame:
    """The test split's row of a checkpoint's report, at the epoch whose weights it has."""
    report = json.loads((folder / "report.json").read_text())
    values = {name: score["value"] for name, score in report["metrics"]["test"].items()}
    return pd.DataFrame([{"epoch": report["best_epoch"], "split": "test"} | values])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
