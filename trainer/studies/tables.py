"""Studies on disk: the histories of their runs, and the table that is made of them."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from filelock import FileLock, Timeout

from plumage.contract import HISTORY
from trainer.data.photo_folder import PhotoFolder
from trainer.recipe import CHECKPOINTS, Recipe
from trainer.run_folder import has_state, remove_state
from trainer.studies.conclusions import answer, size_sentence
from trainer.studies.study import Study, settings
from trainer.utils.files import replacing, write_json

TABLES = CHECKPOINTS / "results" / "studies"
PROVENANCE = "provenance.json"  # beside a run's history
COLUMNS = ["epoch", "split", "loss", "accuracy", "micro_f1", "macro_f1", "learning_rate", "seconds"]


def finished(folder: Path) -> bool:
    """Whether a run has been trained and measured, or has diverged."""
    return (folder / HISTORY).exists() and not has_state(folder)


def record_divergence(folder: Path) -> None:
    """End a run's history with a row without a loss, so that nobody tries it again."""
    path = folder / HISTORY
    rows = pd.read_csv(path).to_dict("records") if path.exists() else []
    rows.append({"epoch": rows[-1]["epoch"] + 1 if rows else 1, "split": "train"})
    write_history(folder, pd.DataFrame(rows, columns=list(dict.fromkeys([*COLUMNS, *rows[0]]))))
    remove_state(folder)


def write_history(folder: Path, history: pd.DataFrame) -> None:
    """Write a run's history.csv, whole or not at all."""
    with replacing(folder / HISTORY) as temporary:
        history.to_csv(temporary, index=False, float_format="%.6g")


def standard_columns(history: pd.DataFrame) -> list[str]:
    """The columns of a history that those of all studies have."""
    return [column for column in history if column in COLUMNS]


def finished_runs(study: Study, home: Path) -> pd.DataFrame:
    """The histories of a study's finished runs, one below the other."""
    table = collect_histories(study, home, study.recipes())
    while study.follow_up is not None:  # runs that follow from these may be finished, too
        further = collect_histories(study, home, study.recipes(table))
        if len(further) <= len(table):
            break
        table = further
    return table


def collect_histories(study: Study, home: Path, recipes: dict[str, Recipe]) -> pd.DataFrame:
    """The histories of those of these runs that are finished."""
    parts = [pd.DataFrame()]
    for name, recipe in recipes.items():
        if finished(home / name):
            history = pd.read_csv(home / name / HISTORY)
            for place, (column, value) in enumerate(run_columns(study, recipe).items()):
                history.insert(place, column, value)
            parts.append(history)
    return pd.concat(parts[1:] or parts, ignore_index=True)


def run_columns(study: Study, recipe: Recipe) -> dict[str, Any]:
    """A run's columns in the table: its hyperparameters that vary, and words about it."""
    # The history's own learning rate is that of each epoch.
    varied = {key.replace("learning", "peak_learning"): key for key in study.varied}
    return {column: getattr(recipe, key) for column, key in varied.items()} | study.describe(recipe)


def import_committed_runs(
    name: str, study: Study, home: Path, photos: Mapping[str, str], tables: Path
) -> None:
    """Lay down the runs that only the table holds, as that of a fresh clone, as finished ones.

    They have to be of the same recipe and photos.

    Args:
        name: of the study.
        study: it.
        home: folder of its runs.
        photos: digests of the photos that runs see, as in the study's facts.
        tables: folder of the tables.
    """
    table, facts = tables / f"{name}.csv", tables / f"{name}.json"
    if not (table.exists() and facts.exists()):
        return
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".table.lock"):
        kept, written = json.loads(facts.read_text(encoding="utf-8")), table.read_bytes()
        same_recipe = not study.base.differences(kept["recipe"])
        whole = kept.get("table") == hashlib.sha256(written).hexdigest()
        if not (whole and same_recipe and kept.get("photos") == photos):
            return
        rows = pd.read_csv(BytesIO(written))
        words = settings(rows)
        if words != list(run_columns(study, study.base)):
            return
        histories = {
            format_key(values): run.drop(columns=words)
            for values, run in rows.groupby(words, sort=False, dropna=False)
        }
        count = 0
        for run, recipe in study.recipes(rows).items():
            history = histories.get(format_key(run_columns(study, recipe).values()))
            provenance = {
                "recipe": recipe.as_dict(),
                "photos": photos,
                "machines": kept["machines"],
            }
            if history is not None and materialise_run(home / run, history, provenance):
                count += 1
    if count:
        print(f"{count} runs are those of {table}; without that file they are trained again.")


def materialise_run(folder: Path, history: pd.DataFrame, provenance: Mapping[str, Any]) -> bool:
    """Make a folder that of a finished run; False where one is there or under way."""
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(Timeout), FileLock(folder / ".lock", blocking=False):
        if not has_state(folder) and not finished(folder):
            write_json(folder / PROVENANCE, dict(provenance))
            write_history(folder, history)
            return True
    return False


def format_key(values: Iterable[Any]) -> tuple[str, ...]:
    """Settings as the table has them."""
    return tuple(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values)


def write_table(
    name: str,
    study: Study,
    home: Path,
    source: PhotoFolder,
    photos: Mapping[str, str],
    tables: Path,
) -> None:
    """Write the table of a study, and what there is to know about it, as far as it is done."""
    tables.mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".table.lock"):
        table = finished_runs(study, home)
        if table.empty:
            return
        written = table.to_csv(index=False, float_format="%.6g").encode()
        facts = study_facts(study, table, home, source) | {"photos": photos}
        facts |= {"answer": answer(name, table, facts), "size": size_sentence(facts)}
        with replacing(tables / f"{name}.csv") as temporary:
            temporary.write_bytes(written)
        # Whose table this is: if the two do not match, the command was stopped between them.
        write_json(tables / f"{name}.json", facts | {"table": hashlib.sha256(written).hexdigest()})


def study_facts(
    study: Study, table: pd.DataFrame, home: Path, source: PhotoFolder
) -> dict[str, Any]:
    """The facts of a study beside its table."""
    return {
        "question": study.question,
        "recipe": study.base.as_dict(),
        "species": len(source.species),
        "val_photos": len(source.files["val"]),
        "planned": study.planned(table),
        "done": len(table.groupby(settings(table), dropna=False)),
        "rule": study.rule,
        "machines": machines(home / run for run in study.recipes(table)),
    }


def machines(folders: Iterable[Path]) -> list[dict[str, Any]]:
    """The machines of the finished runs in these folders, each once."""
    found: list[dict[str, Any]] = []
    for folder in filter(finished, folders):
        for machine in json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))["machines"]:
            found += [] if machine in found else [machine]
    return found


def report_progress(name: str, study: Study, home: Path, tables: Path) -> None:
    """Print how much is done."""
    table = finished_runs(study, home)
    done = sum(finished(home / run) for run in study.recipes(table))
    print(f"{done} of {study.planned(table)} runs are done")
    if len(table):
        print(f"{tables / name}.csv holds their histories")
