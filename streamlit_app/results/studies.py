"""The report's other questions: what the trainer's studies measured, as tables to be drawn.

Every accuracy is of val after a run's last epoch, a share in [0, 1]. A study is two files in
checkpoints/results/studies/: NAME.csv, the runs' histories, and NAME.json, what they have in
common and the sentence that says what they show. One without them is not shown.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plumage.contract import RESULTS, STUDIES
from streamlit_app.results.reading import ResultsError, command

TITLES = {
    "optimizers": "Optimizers",
    "batch-size": "Batch size",
    "depth": "Depth",
    "learning-rate": "Learning rate",
    "feature-quantiles": "Features",
}
# What the chart of each needs of its table, beside what every history has.
_COLUMNS = {
    "optimizers": {"optimizer_name", "peak_learning_rate", "schedule", "seed"},
    "batch-size": {"norm", "batch_size", "equal", "peak_learning_rate", "seed"},
    "depth": {"norm", "n", "peak_learning_rate", "seed"},
    "learning-rate": {"norm", "peak_learning_rate", "seed"},
    "feature-quantiles": {"norm", "seed", "percentile_1", "percentile_99"},
}
_HISTORY = {"epoch", "split", "loss", "accuracy"}
_FACTS = {"question", "answer", "recipe", "planned", "done", "rule", "machines"}


@dataclass(frozen=True)
class Study:
    """The results on one question.

    Attributes:
        facts: question, answer, and how large the study is.
        table: one row a run, epoch and split.
    """

    facts: dict[str, Any]
    table: pd.DataFrame

    @property
    def size(self) -> str:
        """The number, machines and size of its runs, and how they are chosen, in sentences."""
        return str(self.facts.get("size", self.facts["rule"]))


def made(folder: Path) -> list[str]:
    """The studies that a checkpoints folder has, in the order shown."""
    kinds = ("csv", "json")
    return [
        name
        for name in TITLES
        if all((folder / RESULTS / STUDIES / f"{name}.{kind}").is_file() for kind in kinds)
    ]


def read_study(folder: Path, name: str) -> Study | None:
    """A study from a checkpoints folder; None where it was not made; raises ResultsError."""
    if name not in made(folder):
        return None
    files = [folder / RESULTS / STUDIES / f"{name}.{kind}" for kind in ("csv", "json")]
    try:
        table = pd.read_csv(files[0])
        facts = json.loads(files[1].read_text(encoding="utf-8"))
        whole = facts.keys() >= _FACTS and (_COLUMNS[name] | _HISTORY) <= set(table.columns)
        study = Study(facts, table)
        if not whole or not study.size:
            raise ValueError(name)
    except (ValueError, KeyError, TypeError, AttributeError, pd.errors.ParserError) as error:
        raise ResultsError(
            f"checkpoints/{RESULTS}/{STUDIES}/{name}.csv or {name}.json is damaged: make them "
            f"again with {command(f'trainer.studies {name}', folder)}."
        ) from error
    return study


def endings(table: pd.DataFrame) -> pd.DataFrame:
    """One row a run: its settings, accuracy (NaN where it diverged) and whether it diverged."""
    settings = list(table.columns)[: list(table.columns).index("epoch")]
    rows = []
    for values, run in table.groupby(settings, sort=False, dropna=False):
        diverged = bool(run.loss[run.split == "train"].isna().any())
        accuracy = np.nan if diverged else run.accuracy[run.split == "val"].iloc[-1]
        rows.append(
            dict(zip(settings, values, strict=True)) | {"accuracy": accuracy, "diverged": diverged}
        )
    return pd.DataFrame(rows)


def by_learning_rate(table: pd.DataFrame) -> pd.DataFrame:
    """One row an optimizer, learning rate and schedule: accuracy, runs, and how many diverged.

    The accuracy is the mean over seeds, 0 where one diverged, and the schedule then `diverged`.
    """
    keys = ["optimizer_name", "peak_learning_rate", "schedule"]
    runs = endings(table).groupby(keys, sort=False)
    cells = runs.agg(
        accuracy=("accuracy", "mean"), runs=("seed", "count"), diverged=("diverged", "sum")
    ).reset_index()
    cells = cells.rename(columns={"optimizer_name": "optimizer", "peak_learning_rate": "rate"})
    failed = cells.diverged > 0
    cells.loc[failed, "accuracy"] = 0.0
    cells.loc[failed, "schedule"] = "diverged"
    return cells


def by_norm_and_rate(table: pd.DataFrame) -> pd.DataFrame:
    """One row a norm and learning rate: accuracy, 0 where the run diverged."""
    runs = endings(table).rename(columns={"peak_learning_rate": "rate"})
    runs["accuracy"] = runs.accuracy.fillna(0.0)
    return runs[["norm", "rate", "accuracy"]]


def at_best_rate(runs: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """One row a setting, at its best learning rate: rate, accuracy, low, high, runs.

    The best rate is the one with the most seeds, of those the one with the highest mean. low, high:
    the worst and best seed. A run that diverged counts as 0.
    """
    runs = runs.assign(accuracy=runs.accuracy.fillna(0.0))
    cells = runs.groupby([*keys, "peak_learning_rate"], sort=False).accuracy
    summed = cells.agg(["mean", "min", "max", "count"]).reset_index()
    summed.columns = pd.Index([*keys, "rate", "accuracy", "low", "high", "runs"])
    ranked = summed.sort_values(["runs", "accuracy"])
    best = ranked.groupby(keys, sort=False).tail(1).index
    return summed.loc[sorted(best)].reset_index(drop=True)


def by_batch_size(table: pd.DataFrame) -> pd.DataFrame:
    """One row a norm, batch size and length, as `at_best_rate`; as_at_32: what is kept equal."""
    runs = endings(table)
    parts = [
        at_best_rate(runs[runs.equal.isin([equal, "both"])], ["norm", "batch_size"]).assign(
            as_at_32=f"as many {equal}"
        )
        for equal in ("epochs", "steps")
        if (runs.equal == equal).any() or equal == "epochs"
    ]
    return pd.concat(parts, ignore_index=True)


def features_over_epochs(table: pd.DataFrame) -> pd.DataFrame:
    """One row a norm, epoch and percentile: its value, the mean over seeds."""
    val = table[table.split == "val"]
    columns = [name for name in val.columns if name.startswith("percentile_")]
    long = val.melt(["norm", "epoch"], columns, "percentile", "value")
    long["percentile"] = long.percentile.str.removeprefix("percentile_") + "%"
    return long.groupby(["norm", "percentile", "epoch"], sort=False).value.mean().reset_index()


def by_depth(table: pd.DataFrame) -> pd.DataFrame:
    """One row a norm and depth, as `at_best_rate`."""
    runs = endings(table)
    return at_best_rate(runs.assign(layers=6 * runs.n + 2), ["norm", "layers"])
