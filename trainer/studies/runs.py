"""The runs of a study: made one after the other, or shared with other commands."""

import json
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout
from tqdm import tqdm

from plumage.contract import HISTORY
from plumage.folders import SPLITS
from trainer.checkpoint.write import write_checkpoint
from trainer.data.photo_folder import PhotoFolder
from trainer.metrics import scores
from trainer.recipe import Recipe
from trainer.run import train_run
from trainer.run_folder import DivergedError, TrainingError, check_same, has_state, remove_state
from trainer.state import open_run
from trainer.studies import tables as study_tables
from trainer.studies.definitions import STUDIES
from trainer.studies.probes import load_cached, probe_of
from trainer.studies.study import Make, Study
from trainer.studies.tables import (
    PROVENANCE,
    finished,
    finished_runs,
    import_committed_runs,
    record_divergence,
    report_progress,
    standard_columns,
    write_history,
    write_table,
)
from trainer.training import predict, train
from trainer.utils.files import write_json
from trainer.utils.system import machine, prepare


def run_study(
    name: str,
    data: Path,
    output: Path,
    cluster: str | None = None,
    split_table: Path | None = None,
    tables: Path | None = None,
) -> None:
    """Make the runs that a study lacks, and write its table after each.

    Args:
        name: of the study.
        data: folder of the photos.
        output: folder in which the runs are kept.
        cluster: address of a Ray cluster that makes the runs.
        split_table: splits.csv of a run that cut what the folder lacks; None: its own splits.
        tables: folder of the table; None for that of the shipped ones.
    """
    tables = tables or study_tables.TABLES
    prepare()
    study, home = replace(STUDIES[name], tables=tables), output / "studies" / name
    for old in (output / "studies").glob("*/*/made-of.json"):  # as earlier versions called it
        old.rename(old.with_name(PROVENANCE))
    source = PhotoFolder(data, split_table)
    source.check()
    if not study.recipes():
        raise TrainingError(
            f"{tables} has no learning rates for this study: python -m trainer.studies "
            "learning-rate, with the same --data and --checkpoints, finds them first."
        )
    photos = fingerprints(study.base, source, output / "cache")
    for run, recipe in study.recipes(finished_runs(study, home)).items():
        check_provenance(home / run, replace(recipe, data=str(data), output=str(output)), source)
    import_committed_runs(name, study, home, photos, tables)
    with maker(cluster) as make, tqdm(desc=name, unit=" runs", position=1) as bar:
        while True:
            table = finished_runs(study, home)
            recipes = study.recipes(table)
            waiting = {
                home / run: replace(recipe, data=str(data), output=str(output))
                for run, recipe in recipes.items()
                if not finished(home / run)
            }
            bar.total, bar.n = study.planned(table), len(recipes) - len(waiting)
            bar.refresh()
            if not make(study, waiting, source):
                break
            write_table(name, study, home, source, photos, tables)
    write_table(name, study, home, source, photos, tables)
    report_progress(name, study, home, tables)


def maker(cluster: str | None) -> AbstractContextManager[Make]:
    """The function that makes runs: on the cluster at that address, or one by one here."""
    if cluster is None:
        return nullcontext(make_first_free)
    try:
        from trainer.studies.ray import joined  # only who asks for a cluster needs Ray
    except ModuleNotFoundError as error:
        raise TrainingError(
            f"--cluster needs {error.name}: pip install --requirement cluster-requirements.txt"
        ) from error
    return joined(cluster, run_if_free)


def make_first_free(study: Study, recipes: Mapping[Path, Recipe], source: PhotoFolder) -> bool:
    """Make the first of these runs that no other command is at; False where there is none."""
    return any(run_if_free(study, folder, recipes[folder], source) for folder in recipes)


def run_if_free(study: Study, folder: Path, recipe: Recipe, source: PhotoFolder) -> bool:
    """Make a run; False, and nothing is done, where another command has made it or is at it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(folder / ".lock", blocking=False):
            check_provenance(folder, recipe, source)
            if finished(folder):
                return False
            if not (folder / HISTORY).exists():
                trained_on = {"machines": [machine(recipe.device)]}
                write_json(folder / PROVENANCE, provenance(recipe, source) | trained_on)
            try:
                if study.checkpoints:
                    trained, photos = train_run(recipe, folder, source)
                    write_checkpoint(trained, recipe, source, photos, folder)
                elif not copied(study, folder, recipe, source):
                    finish(study, folder, recipe, source)
            except DivergedError as error:
                print(f"{folder.name}: {error}", file=sys.stderr)
                record_divergence(folder)
            return True
    except Timeout:
        return False


def provenance(recipe: Recipe, source: PhotoFolder) -> dict[str, Any]:
    """The provenance of a run: its recipe, and the digests of its photos."""
    photos = fingerprints(recipe, source, Path(recipe.output) / "cache")
    return {"recipe": recipe.as_dict(), "photos": photos}


def fingerprints(recipe: Recipe, source: PhotoFolder, cache: Path) -> dict[str, str]:
    """Digests of the photos of each split."""
    sizes = dict.fromkeys(SPLITS, recipe.image_size) | {"train": recipe.stored_size}
    return {
        split: load_cached(source, split, size, cache).fingerprint for split, size in sizes.items()
    }


def check_provenance(folder: Path, recipe: Recipe, source: PhotoFolder) -> None:
    """Raise TrainingError where the run in a folder follows from another recipe or other photos.

    A run without that file, from an earlier version, counts as the one asked for.
    """
    path = folder / PROVENANCE
    if not path.exists():
        return
    kept = json.loads(path.read_text(encoding="utf-8"))
    check_same(recipe, kept["recipe"], folder)
    if kept["photos"] != provenance(recipe, source)["photos"]:
        raise TrainingError(
            f"The run in {folder} is of other photos than {source.root} holds now: name its own "
            "with --data, or start over with another --output."
        )


def copied(study: Study, folder: Path, recipe: Recipe, source: PhotoFolder) -> bool:
    """Whether another study beside this one has made the same run; its history is then copied."""
    if study.probe or study.test or has_state(folder):
        return False
    own = provenance(recipe, source)
    for path in sorted(folder.parent.parent.glob(f"*/*/{PROVENANCE}")):
        kept = json.loads(path.read_text(encoding="utf-8"))
        same = kept["photos"] == own["photos"] and not recipe.differences(kept["recipe"])
        if same and path.parent != folder and finished(path.parent):
            history = pd.read_csv(path.parent / HISTORY)
            history = history.loc[history.split != "test", standard_columns(history)]
            write_history(folder, history)
            return True
    return False


def finish(study: Study, folder: Path, recipe: Recipe, source: PhotoFolder) -> None:
    """Train a run to its end, and score it on test where the study asks for that."""
    cache = Path(recipe.output) / "cache"
    photos = {
        "train": load_cached(source, "train", recipe.stored_size, cache),
        "val": load_cached(source, "val", recipe.image_size, cache),
    }
    run = open_run(recipe, len(source.species), folder)
    train(run, recipe, photos, folder, probe_of(study, photos["val"], recipe))
    if study.test:
        run.network.load_state_dict(run.best)
        test = load_cached(source, "test", recipe.image_size, cache)
        answers = predict(run.network, test.pixels, recipe).argmax(1).numpy()
        row = {"epoch": run.best_epoch, "split": "test"} | scores(test.labels, answers)
        run.history.append(row)
        run.save_history(folder)
    remove_state(folder)
