"""Families of runs that answer one question each, repeated by one command.

    python -m trainer.studies norms --data PHOTOS
    python -m trainer.studies --list

What is done already is skipped, also where only the table that came with the program tells of it
(but for `norms`, whose runs are whole checkpoints); what was interrupted goes on, and several of
these commands started side by side share the work: on two cores, two of them with
OMP_NUM_THREADS=1 each. With --cluster the runs are spread over the machines of a Ray cluster
(trainer/studies/ray.py). The answer is one tidy table, checkpoints/results/studies/NAME.csv, in
whose last row of a run that diverged the loss is missing; beside it NAME.json says what all runs
have in common, and what they show.
"""

import json
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import torch
import tyro
from filelock import FileLock, Timeout
from tqdm import tqdm

from plumage.contract import HISTORY
from trainer.checkpoint.write import make_checkpoint
from trainer.data import PhotoFolder
from trainer.recipe import Recipe
from trainer.state import DivergedError, TrainingError, check_same, open_run, remove_state
from trainer.studies.definitions import FULL_SIZE, STUDIES, Study
from trainer.studies.probes import loaded, watcher
from trainer.studies.tables import (
    MADE_OF,
    finished,
    finished_runs,
    record_divergence,
    report_progress,
    take_over,
    within_time,
    write_table,
)
from trainer.training import train
from trainer.utils.cli import GOES_ON, exit_status
from trainer.utils.files import write_json
from trainer.utils.memory import keep_memory

# Makes one or more of the runs in these folders by their recipes; False where none is left.
Make = Callable[[Study, Mapping[Path, Recipe], PhotoFolder], bool]


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
            print(f"{name:18} {len(study.changes):3} runs  {study.question}")
        return 0
    data, output = Path(command.data), Path(command.output)
    work = partial(run_study, command.name, data, output, command.full, command.cluster)
    return exit_status(work, GOES_ON)


@dataclass(frozen=True)
class Command:
    """Run a study: every run that it lacks and has time for, then its table."""

    name: Annotated[
        str | None,
        tyro.conf.Positional,
        tyro.conf.arg(constructor=tyro.extras.literal_type_from_choices(STUDIES)),
    ] = None
    """Which study."""
    data: str = Recipe.data
    """Folder with train/, val/ and test/ inside, each with one folder of photos a species."""
    output: str = Recipe.output
    """Folder in which the runs are kept."""
    full: bool = False
    """Train on all photos, for as many epochs and at as many pixels as the best recipe, however
    long it takes; the table takes the place of the small one's."""
    cluster: str | None = None
    """Make the runs on a Ray cluster: HOST:PORT of its head, `auto` for the one that runs here."""
    list: bool = False
    """Say which studies there are."""


def run_study(
    name: str, data: Path, output: Path, full: bool = False, cluster: str | None = None
) -> None:
    """Do what is not done yet of a study, as far as its minutes go, and write its table."""
    keep_memory()
    torch.set_flush_denormal(True)
    study = (FULL_SIZE if full else STUDIES)[name]
    home = output / "studies" / (f"{name}-full" if full else name)
    source = PhotoFolder(data)
    source.check()
    photos = fingerprints(study.budget, source, output / "cache")
    for run, recipe in study.recipes(finished_runs(study, home)).items():
        check_made_of(home / run, replace(recipe, data=str(data), output=str(output)), source)
    take_over(name, study, home, photos)
    with maker(cluster) as make, tqdm(desc=name, unit=" runs", position=1) as bar:
        while True:
            table = finished_runs(study, home)
            recipes = study.recipes(table)
            waiting = {
                home / run: replace(recipe, data=str(data), output=str(output))
                for run, recipe in recipes.items()
                if not finished(home / run)
            }
            bar.total, bar.n = len(recipes), len(recipes) - len(waiting)
            bar.refresh()
            if not make(study, waiting if within_time(study, table) else {}, source):
                break
            write_table(name, study, home, source, photos)
    write_table(name, study, home, source, photos)
    report_progress(name, study, home)


def maker(cluster: str | None) -> AbstractContextManager[Make]:
    """What makes runs: on the cluster at that address, or one after the other here."""
    if cluster is None:
        return nullcontext(make_first_free)
    try:
        from trainer.studies.ray import joined  # only who asks for a cluster needs Ray
    except ModuleNotFoundError as error:
        raise TrainingError(
            f"--cluster needs {error.name}: pip install --requirement cluster-requirements.txt"
        ) from error
    return joined(cluster)


def make_first_free(study: Study, recipes: Mapping[Path, Recipe], source: PhotoFolder) -> bool:
    """Make the first of these runs that no other command is at; False where there is none."""
    return any(run_if_free(study, folder, recipes[folder], source) for folder in recipes)


def run_if_free(study: Study, folder: Path, recipe: Recipe, source: PhotoFolder) -> bool:
    """Make a run; False, and nothing is done, where another command has made it or is at it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", blocking=False):
            check_made_of(folder, recipe, source)
            if finished(folder):
                return False
            if not (folder / HISTORY).exists():
                write_json(folder / MADE_OF, made_of(recipe, source))
            try:
                if study.checkpoints:
                    make_checkpoint(recipe, folder, resume=True)
                else:
                    finish(study, folder, recipe, source)
            except DivergedError as error:
                print(f"{folder.name}: {error}", file=sys.stderr)
                record_divergence(folder)
            return True
    except Timeout:
        return False


def made_of(recipe: Recipe, source: PhotoFolder) -> dict[str, Any]:
    """What a run follows from: its recipe, and the digests of the photos that it sees."""
    photos = fingerprints(recipe, source, Path(recipe.output) / "cache")
    return {"recipe": recipe.as_dict(), "photos": photos}


def fingerprints(recipe: Recipe, source: PhotoFolder, cache: Path) -> dict[str, str]:
    """Digests of the photos of train and of val."""
    sizes = {"train": recipe.stored_size, "val": recipe.image_size}
    return {split: loaded(source, split, size, cache).fingerprint for split, size in sizes.items()}


def check_made_of(folder: Path, recipe: Recipe, source: PhotoFolder) -> None:
    """Raise TrainingError where the run in a folder follows from another recipe or other photos.

    A run of which that was not kept, as before there was this file, counts as the one asked for.
    """
    path = folder / MADE_OF
    if not path.exists():
        return
    kept = json.loads(path.read_text())
    check_same(recipe, kept["recipe"], folder)
    if kept["photos"] != made_of(recipe, source)["photos"]:
        raise TrainingError(
            f"The run in {folder} is of other photos than {source.root} holds now: name its own "
            "with --data, or start anew with another --output."
        )


def finish(study: Study, folder: Path, recipe: Recipe, source: PhotoFolder) -> None:
    """Train a run to its end."""
    cache = Path(recipe.output) / "cache"
    photos = {
        "train": loaded(source, "train", recipe.stored_size, cache),
        "val": loaded(source, "val", recipe.image_size, cache),
    }
    run = open_run(recipe, len(source.species), folder)
    train(run, recipe, photos, folder, watcher(study, source, photos["val"], recipe))
    remove_state(folder)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
