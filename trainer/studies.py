"""Families of runs that answer one question each, repeated by one command.

    python -m trainer.studies norms --data PHOTOS
    python -m trainer.studies --list

What is done already is skipped, what was interrupted goes on, and several of these commands
started side by side share the work: on two cores, two of them with OMP_NUM_THREADS=1 each. With
--cluster the runs are spread over the machines of a Ray cluster (trainer/cluster.py). The answer is
one tidy table, checkpoints/studies/NAME.csv, in whose last row of a run that diverged the loss is
missing; beside it NAME.json says what all runs have in common and what they show.
"""

import json
import math
import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pandas as pd
import torch
import tyro
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from torch.nn import functional as F
from tqdm import tqdm

from trainer.checkpoint import CHECKPOINTS, make_checkpoint
from trainer.conclusions import ANSWERS, settings
from trainer.ending import GOES_ON, exit_status
from trainer.evaluation import scores
from trainer.files import replacing, write_json
from trainer.memory import keep_memory
from trainer.photos import PhotoFolder, PhotoSet
from trainer.questions import FULL_SIZE, STUDIES, Study, last_features
from trainer.recipe import Recipe
from trainer.resnet import ResNet
from trainer.run import (
    DivergedError,
    TrainingError,
    check_same,
    has_state,
    open_run,
    remove_state,
)
from trainer.training import predict, spread, train

TABLES = CHECKPOINTS / "studies"
MADE_OF = "made-of.json"  # beside a run's history
CORES = 2  # that a study's minutes are of
WATCHED = 8  # val photos of each species whose features are watched

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
    for run, recipe in study.recipes(finished_runs(study, home)).items():
        check_made_of(home / run, replace(recipe, data=str(data), output=str(output)), source)
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
            write_table(name, study, home, source)
    write_table(name, study, home, source)
    report_progress(name, study, home)


def maker(cluster: str | None) -> AbstractContextManager[Make]:
    """What makes runs: on the cluster at that address, or one after the other here."""
    if cluster is None:
        return nullcontext(make_first_free)
    try:
        from trainer.cluster import joined  # only who asks for a cluster needs Ray
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
            if not (folder / "history.csv").exists():
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
    sizes = {"train": recipe.stored_size, "val": recipe.image_size}
    photos = {
        split: loaded(source, split, size, Path(recipe.output) / "cache").fingerprint
        for split, size in sizes.items()
    }
    return {"recipe": recipe.as_dict(), "photos": photos}


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


def finished(folder: Path) -> bool:
    """Whether a run has been trained and measured, or has diverged."""
    return (folder / "history.csv").exists() and not has_state(folder)


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


@lru_cache
def loaded(source: PhotoFolder, split: str, size: int, cache: Path) -> PhotoSet:
    """A split's photos, looked up once for all runs: thousands of files take seconds."""
    return source.load(split, size, cache)


def watcher(
    study: Study, source: PhotoFolder, val: PhotoSet, recipe: Recipe
) -> Callable[[ResNet], dict[str, float]]:
    """What the study measures of a network, on the same photos of val whatever the seed.

    Raises: TrainingError where it asks for photos without relatives, and none are known.
    """
    pixels = np.asarray(val.pixels[spread(val.labels, WATCHED)])
    harder: dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]] = {}
    if study.harder:
        alone = without_relatives(source, val)
        harder["without_relatives"] = val.pixels[alone], val.labels[alone]
        harder["other_filter"] = shrunk_otherwise(source, recipe), val.labels

    def measure(network: ResNet) -> dict[str, float]:
        found = study.watch(last_features(network, pixels, recipe.device)) if study.watch else {}
        for name, (photos, labels) in harder.items():
            answers = predict(network, photos, recipe).argmax(1).numpy()
            found[f"accuracy_{name}"] = scores(labels, answers)["accuracy"]
        return found

    return measure


def shrunk_otherwise(source: PhotoFolder, recipe: Recipe) -> NDArray[np.uint8]:
    """(photos of val, size, size, 3), with the filter of OpenCV's and others' default: bilinear,
    of which what is finer than a pixel leaves more."""
    large = loaded(source, "val", recipe.stored_size, Path(recipe.output) / "cache").pixels
    small = F.interpolate(
        torch.from_numpy(np.array(large)).permute(0, 3, 1, 2).float(),
        size=(recipe.image_size, recipe.image_size),
        mode="bilinear",
    )
    return small.round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def without_relatives(source: PhotoFolder, val: PhotoSet) -> NDArray[np.bool_]:
    """(photos of val,) which have no relative in train, by relatives.json."""
    path = CHECKPOINTS / "relatives.json"
    if not path.exists():
        raise TrainingError(f"{path} is missing: `python -m trainer.relatives` makes it.")
    known = set(json.loads(path.read_text())["without_relative"])
    files = [file.as_posix() for file in source.files["val"] if str(file) not in val.skipped]
    if not (alone := np.array([file in known for file in files])).any():
        raise TrainingError(
            f"{path} is of other photos than {source.root}: make it anew with "
            f"`python -m trainer.relatives --data {source.root}`."
        )
    return alone


def record_divergence(folder: Path) -> None:
    """End a run's history with a row without a loss, so that nobody tries it again."""
    path = folder / "history.csv"
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    rows.append({"epoch": rows[-1]["epoch"] + 1 if rows else 1, "split": "train"})
    columns = ["epoch", "split", "loss", "accuracy", "micro_f1", "macro_f1"]
    columns += ["learning_rate", "seconds"]
    with replacing(path) as temporary:
        pd.DataFrame(rows, columns=list(dict.fromkeys([*columns, *rows[0]]))).to_csv(
            temporary, index=False, float_format="%.6g"
        )
    remove_state(folder)


def finished_runs(study: Study, home: Path) -> pd.DataFrame:
    """The histories of a study's finished runs, one below the other."""
    table = gathered(study, home, study.recipes())
    return table if study.then is None else gathered(study, home, study.recipes(table))


def gathered(study: Study, home: Path, recipes: dict[str, Recipe]) -> pd.DataFrame:
    """The histories of those of these runs that are finished."""
    parts = [pd.DataFrame()]
    for name, recipe in recipes.items():
        if finished(home / name):
            history = pd.read_csv(home / name / "history.csv")
            if (home / name / "report.json").exists():
                history = pd.concat([history, measured(home / name)])
            # The history's own learning rate is that of each epoch.
            varied = {key.replace("learning", "peak_learning"): key for key in study.varied}
            said = {column: getattr(recipe, key) for column, key in varied.items()}
            for place, (column, value) in enumerate((said | study.describe(recipe)).items()):
                history.insert(place, column, value)
            parts.append(history)
    return pd.concat(parts[1:] or parts, ignore_index=True)


def measured(folder: Path) -> pd.DataFrame:
    """The test split's row of a checkpoint's report, at the epoch whose weights it has."""
    report = json.loads((folder / "report.json").read_text())
    values = {name: score["value"] for name, score in report["metrics"]["test"].items()}
    return pd.DataFrame([{"epoch": report["best_epoch"], "split": "test"} | values])


def within_time(study: Study, table: pd.DataFrame) -> bool:
    """Whether one more run fits into the study's minutes, if it takes as long as the longest."""
    if table.empty:
        return True
    seconds = table.groupby(settings(table), dropna=False).seconds.sum()
    side_by_side = CORES / min(CORES, torch.get_num_threads())
    return bool(seconds.sum() + seconds.max() <= 60 * study.minutes * side_by_side)


def write_table(name: str, study: Study, home: Path, source: PhotoFolder) -> None:
    """Write the table of a study, and what there is to know about it, as far as it is done."""
    TABLES.mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".table.lock"):
        table = finished_runs(study, home)
        if table.empty:
            return
        with replacing(TABLES / f"{name}.csv") as temporary:
            table.to_csv(temporary, index=False, float_format="%.6g")
        if name in ANSWERS:
            facts = known(study, table, source)
            facts["answer"] = ANSWERS[name](table, facts)
            write_json(TABLES / f"{name}.json", facts)


def known(study: Study, table: pd.DataFrame, source: PhotoFolder) -> dict[str, Any]:
    """What is to be known about a study beside its table."""
    return {
        "question": study.question,
        "recipe": study.budget.as_dict(),
        "species": len(source.species),
        "val_photos": len(source.files["val"]),
        "planned": len(study.recipes(table)),
        "done": len(table.groupby(settings(table), dropna=False)),
        "minutes": study.minutes if math.isfinite(study.minutes) else None,
        "in_time": within_time(study, table),
    }


def report_progress(name: str, study: Study, home: Path) -> None:
    """Print how much is done, and what was dropped by which rule."""
    table = finished_runs(study, home)
    recipes = study.recipes(table)
    waiting = [run for run in recipes if not finished(home / run)]
    print(f"{len(recipes) - len(waiting)} of {len(recipes)} runs are done")
    if waiting and not within_time(study, table):
        print(
            f"The study's {study.minutes:g} minutes on {CORES} cores are spent. By its rule, all "
            "runs with the first seed first, then those with the second and so on, these are "
            "dropped (--full makes the study without a limit):"
        )
        print(*waiting, sep="\n")
    if len(table):
        print(f"{TABLES / name}.csv holds their histories")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
