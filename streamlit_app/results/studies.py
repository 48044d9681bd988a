"""The report's other questions: what the trainer's studies measured, as tables to be drawn.

Every accuracy is of val after a run's last epoch, a share in [0, 1]. A study is two files in
checkpoints/results/studies/: NAME.csv, the runs' histories, and NAME.json, what they have in
common and the sentence that says what they show.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plumage.contract import RESULTS, STUDIES
from streamlit_app.results.scores import ResultsError

TITLES = {
    "optimizers": "Optimizers",
    "batch-size": "Batch size",
    "feature-quantiles": "Features",
    "depth": "Depth",
}
# What the chart of each needs of its table, beside what every history has.
_COLUMNS = {
    "optimizers": {"optimizer_name", "peak_learning_rate", "schedule", "seed"},
    "batch-size": {"norm", "batch_size", "equal", "rate", "seed"},
    "feature-quantiles": {"norm", "seed", "percentile_1", "percentile_99"},
    "depth": {"norm", "n", "peak_learning_rate", "seed"},
}
_HISTORY = {"epoch", "split", "loss", "accuracy"}
_FACTS = {"question", "answer", "recipe", "planned", "done", "minutes", "in_time"}


@dataclass(frozen=True)
class Study:
    """What was measured for one question.

    Attributes:
        facts: question, answer, and how large the study is.
        table: one row a run, epoch and split.
    """

    facts: dict[str, Any]
    table: pd.DataFrame

    @property
    def size(self) -> str:
        """How large its runs are and how many there are, in a sentence."""
        recipe, done, planned = self.facts["recipe"], self.facts["done"], self.facts["planned"]
        each = recipe["photos_per_species"]
        photos = f"{each} training photos of each species" if each else "all training photos"
        words = (
            f"Short runs at {recipe['image_size']} px with {photos}, {recipe['epochs']} epochs "
            f"where they are not varied: {done} of {planned} are done"
        )
        if done == planned:
            return f"{words}."
        if self.facts["in_time"]:
            return f"{words} so far."
        minutes = self.facts["minutes"]
        return f"{words}; the last seeds were dropped when {minutes:g} minutes were spent."


def command(name: str) -> str:
    """What makes a study."""
    return f"`python -m trainer.studies {name} --data PHOTOS`"


def read_study(folder: Path, name: str) -> Study | None:
    """A study from a checkpoints folder; None where it was not made; raises ResultsError."""
    files = [folder / RESULTS / STUDIES / f"{name}.{kind}" for kind in ("csv", "json")]
    if not all(file.is_file() for file in files):
        return None
    try:
        table = pd.read_csv(files[0])
        facts = json.loads(files[1].read_text(encoding="utf-8"))
        whole = facts.keys() >= _FACTS and (_COLUMNS[name] | _HISTORY) <= set(table.columns)
        study = Study(facts, table)
        if not whole or not study.size:
            raise ValueError(name)
    except (ValueError, KeyError, TypeError, AttributeError, pd.errors.ParserError) as error:
        raise ResultsError(
            f"checkpoints/{RESULTS}/{STUDIES}/{name}.csv or {name}.json is damaged: make them anew "
            f"with {command(name)}."
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


def changes_with_batch(table: pd.DataFrame) -> pd.DataFrame:
    """One row a norm, seed and way to compare: by how many points val differs from batch 32's.

    setting: the batch size and what is kept equal. Runs that diverged have no change.
    """
    runs = endings(table)
    base = runs[runs.equal == "both"].set_index(["norm", "seed"]).accuracy.rename("base")
    others = runs[runs.equal != "both"].join(base, on=["norm", "seed"])
    others["points"] = (others.accuracy - others.base) * 100
    others["setting"] = [
        f"batch {row.batch_size}, equal {row.equal}, rate {row.rate}" for row in others.itertuples()
    ]
    columns = ["norm", "batch_size", "setting", "seed", "points"]
    return others.dropna(subset="points")[columns].sort_values(
        ["batch_size", "setting"], ignore_index=True
    )


def features_over_epochs(table: pd.DataFrame) -> pd.DataFrame:
    """One row a norm, epoch and percentile: its value, the mean over seeds."""
    val = table[table.split == "val"]
    columns = [name for name in val.columns if name.startswith("percentile_")]
    long = val.melt(["norm", "epoch"], columns, "percentile", "value")
    long["percentile"] = long.percentile.str.removeprefix("percentile_") + "%"
    return long.groupby(["norm", "percentile", "epoch"], sort=False).value.mean().reset_index()


def by_depth(table: pd.DataFrame) -> pd.DataFrame:
    """One row a norm and depth, at the learning rate whose mean is best: accuracy, low, high, runs.

    low, high: the worst and best seed. A run that diverged counts as 0.
    """
    runs = endings(table)
    runs["layers"] = 6 * runs.n + 2
    runs["accuracy"] = runs.accuracy.fillna(0.0)
    cells = runs.groupby(["norm", "layers", "peak_learning_rate"], sort=False).accuracy
    summed = cells.agg(["mean", "min", "max", "count"]).reset_index()
    summed.columns = pd.Index(["norm", "layers", "rate", "accuracy", "low", "high", "runs"])
    best = summed.groupby(["norm", "layers"], sort=False).accuracy.idxmax()
    return summed.loc[best].reset_index(drop=True)
