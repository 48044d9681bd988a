"""Families of runs that answer one question each, repeated by one command.

    python -m trainer.studies norms --data PHOTOS
    python -m trainer.studies --list

What is done already is skipped, what was interrupted goes on, and several of these commands
started side by side share the work. The answer is one tidy table, checkpoints/studies/NAME.csv.
"""

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import pandas as pd
import torch
import tyro
from filelock import FileLock, Timeout
from torch.nn import functional as F
from tqdm import tqdm

from trainer.evaluation import scores
from trainer.files import replacing
from trainer.memory import keep_memory
from trainer.photos import PhotoFolder, PhotoSet, PhotoSetError
from trainer.recipe import NormKey, Recipe
from trainer.training import TrainingError, new_run, predict, train

TABLES = Path(__file__).parents[1] / "checkpoints" / "studies"


@dataclass(frozen=True)
class Study:
    """One question and the runs that answer it.

    Attributes:
        question: what is asked.
        budget: what all runs have in common.
        changes: for each run, what it changes of the budget.
    """

    question: str
    budget: Recipe
    changes: Sequence[dict[str, Any]]

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


SHORT = replace(Recipe(), image_size=64, epochs=8)
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
        [{"norm": norm, "seed": seed} for seed in range(3) for norm in get_args(NormKey)],
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
    except (PhotoSetError, TrainingError) as error:
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
    cache = output / "cache"
    for run_name, recipe in tqdm(study.recipes.items(), name, unit=" runs", position=1):
        folder = home / run_name
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(folder / ".lock", blocking=False):
                if not finished(folder):
                    photos = {
                        "train": source.load("train", recipe.stored_size, cache),
                        "val": source.load("val", recipe.image_size, cache),
                        "test": source.load("test", recipe.image_size, cache),
                    }
                    finish(folder, recipe, photos)
        except Timeout:
            continue  # another command is at it
    write_table(study, home, TABLES / f"{name}.csv")


def finished(folder: Path) -> bool:
    """Whether a run has been trained and measured."""
    return (folder / "history.csv").exists() and not (folder / "state.pt").exists()


def finish(folder: Path, recipe: Recipe, photos: dict[str, PhotoSet]) -> None:
    """Train a run to its end and add a row for its last weights on the test split."""
    run = new_run(recipe, len(photos["val"].species))
    state = folder / "state.pt"
    if state.exists():
        run.restore(folder, recipe)
    train(run, recipe, photos, folder)
    test = photos["test"]
    logits = predict(run.network, test.pixels, recipe)
    row = {"epoch": run.epoch, "split": "test"}
    row["loss"] = F.cross_entropy(logits, torch.from_numpy(test.labels)).item()
    row |= scores(test.labels, logits.argmax(1).numpy())
    with replacing(folder / "history.csv") as temporary:
        pd.DataFrame([*run.history, row]).to_csv(temporary, index=False, float_format="%.6g")
    state.unlink()


def write_table(study: Study, home: Path, path: Path) -> None:
    """Write the histories of a study's finished runs, one below the other."""
    parts = []
    for name, recipe in study.recipes.items():
        if finished(home / name):
            history = pd.read_csv(home / name / "history.csv")
            for place, key in enumerate(study.varied):
                history.insert(place, key, getattr(recipe, key))
            parts.append(history)
    print(f"{len(parts)} of {len(study.changes)} runs are done")
    if parts:
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:
            pd.concat(parts).to_csv(temporary, index=False, float_format="%.6g")
        print(f"{path} holds their histories")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
