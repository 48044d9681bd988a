"""Studies on disk: the histories of their runs, and the table that is made of them."""

import hashlib
import json
import math
from collections.abc import Iterable, Mapping
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from filelock import FileLock, Timeout

from plumage.contract import HISTORY, REPORT
from trainer.data import PhotoFolder
from trainer.recipe import CHECKPOINTS, Recipe
from trainer.run_folder import has_state, remove_state
from trainer.studies.conclusions import ANSWERS, settings
from trainer.studies.definitions import Study
from trainer.utils.files import replacing, write_json

TABLES = CHECKPOINTS / "results" / "studies"
MADE_OF = "made-of.json"  # beside a run's history
CORES = 2  # that a study's minutes are of


def finished(folder: Path) -> bool:
    """Whether a run has been trained and measured, or has diverged."""
    return (folder / HISTORY).exists() and not has_state(folder)


def record_divergence(folder: Path) -> None:
    """End a run's history with a row without a loss, so that nobody tries it again."""
    path = folder / HISTORY
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
            history = pd.read_csv(home / name / HISTORY)
            if (home / name / REPORT).exists():
                history = pd.concat([history, measured(home / name)])
            for place, (column, value) in enumerate(named(study, recipe).items()):
                history.insert(place, column, value)
            parts.append(history)
    return pd.concat(parts[1:] or parts, ignore_index=True)


def named(study: Study, recipe: Recipe) -> dict[str, Any]:
    """What the table says of a run: its hyperparameters that vary, and words about it."""
    # The history's own learning rate is that of each epoch.
    varied = {key.replace("learning", "peak_learning"): key for key in study.varied}
    return {column: getattr(recipe, key) for column, key in varied.items()} | study.describe(recipe)


def take_over(name: str, study: Study, home: Path, photos: Mapping[str, str]) -> None:
    """Lay down the runs that only the table holds, as that of a fresh clone, as finished ones.

    They have to be of the same recipe and photos. Checkpoints are not in a table: where the runs
    of a study are to have them, they are made.

    Args:
        name: of the study.
        study: it.
        home: folder of its runs.
        photos: digests of the photos that runs see, as in the study's facts.
    """
    table, facts = TABLES / f"{name}.csv", TABLES / f"{name}.json"
    if study.checkpoints or not (table.exists() and facts.exists()):
        return
    home.mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".table.lock"):
        kept, written = json.loads(facts.read_text()), table.read_bytes()
        same_recipe = not study.budget.differences(kept["recipe"])
        whole = kept.get("table") == hashlib.sha256(written).hexdigest()
        if not (whole and same_recipe and kept.get("photos") == photos):
            return
        rows = pd.read_csv(BytesIO(written))
        words = settings(rows)
        if words != list(named(study, study.budget)):
            return
        histories = {
            as_written(values): run.drop(columns=words)
            for values, run in rows.groupby(words, sort=False, dropna=False)
        }
        count = 0
        for run, recipe in study.recipes(rows).items():
            history = histories.get(as_written(named(study, recipe).values()))
            if history is not None and lay_down(home / run, history, recipe, photos):
                count += 1
    if count:
        print(f"{count} runs are those of {table}; without that file they are made anew.")


def lay_down(
    folder: Path, history: pd.DataFrame, recipe: Recipe, photos: Mapping[str, str]
) -> bool:
    """Make a folder that of a finished run; False where one is there or under way."""
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(Timeout), FileLock(folder / ".lock", blocking=False):
        if not has_state(folder) and not finished(folder):
            write_json(folder / MADE_OF, {"recipe": recipe.as_dict(), "photos": dict(photos)})
            with replacing(folder / HISTORY) as temporary:
                history.to_csv(temporary, index=False, float_format="%.6g")
            return True
    return False


def as_written(values: Iterable[Any]) -> tuple[str, ...]:
    """Settings as the table has them."""
    return tuple(f"{value:.6g}" if isinstance(value, float) else str(value) for value in values)


def measured(folder: Path) -> pd.DataFrame:
    """The test split's row of a checkpoint's report, at the epoch whose weights it has."""
    report = json.loads((folder / REPORT).read_text())
    values = {name: score["value"] for name, score in report["metrics"]["test"].items()}
    return pd.DataFrame([{"epoch": report["best_epoch"], "split": "test"} | values])


def within_time(study: Study, table: pd.DataFrame) -> bool:
    """Whether one more run fits into the study's minutes, if it takes as long as the longest."""
    if table.empty:
        return True
    seconds = table.groupby(settings(table), dropna=False).seconds.sum()
    side_by_side = CORES / min(CORES, torch.get_num_threads())
    return bool(seconds.sum() + seconds.max() <= 60 * study.minutes * side_by_side)


def write_table(
    name: str, study: Study, home: Path, source: PhotoFolder, photos: Mapping[str, str]
) -> None:
    """Write the table of a study, and what there is to know about it, as far as it is done."""
    TABLES.mkdir(parents=True, exist_ok=True)
    with FileLock(home / ".table.lock"):
        table = finished_runs(study, home)
        if table.empty:
            return
        written = table.to_csv(index=False, float_format="%.6g").encode()
        facts = known(study, table, source, photos)
        if name in ANSWERS:
            facts["answer"] = ANSWERS[name](table, facts)
        with replacing(TABLES / f"{name}.csv") as temporary:
            temporary.write_bytes(written)
        # Whose table this is: if the two do not match, the command was stopped between them.
        write_json(TABLES / f"{name}.json", facts | {"table": hashlib.sha256(written).hexdigest()})


def known(
    study: Study, table: pd.DataFrame, source: PhotoFolder, photos: Mapping[str, str]
) -> dict[str, Any]:
    """What is to be known about a study beside its table."""
    return {
        "question": study.question,
        "recipe": study.budget.as_dict(),
        "species": len(source.species),
        "val_photos": len(source.files["val"]),
        "photos": photos,
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
