"""A study: one question, and the runs that answer it."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from plumage.contract import RESULTS, STUDIES
from trainer.data.photo_folder import PhotoFolder
from trainer.recipe import CHECKPOINTS, Recipe

Change = dict[str, Any]


@dataclass(frozen=True)
class Study:
    """One question and the runs that answer it.

    Attributes:
        question: what is asked.
        base: recipe that all runs share.
        changes: of the base, for each run known from the start.
        follow_up: all changes that follow from the table of finished runs, which may be empty, and
            from `tables`. Runs with the first seed come before those with the second.
        rule: how follow-up runs are chosen, in sentences for RESULTS.md.
        min_runs: smallest number of runs.
        varies: hyperparameters that differ between runs, where `changes` does not name them.
        describe: words about a run for further columns of the table.
        probe: what to measure after each epoch of the features (N, C, H, W) float that enter the
            last pooling, of the same val photos each time.
        test: whether the weights that are best on val are scored on test at the end of a run.
        checkpoints: whether each run ends as a whole checkpoint.
        tables: folder of the tables of other studies on the same photos.
    """

    question: str
    base: Recipe
    changes: Sequence[Change] = ()
    follow_up: Callable[[pd.DataFrame, Path], Sequence[Change]] | None = None
    rule: str = ""
    min_runs: int = 0
    varies: tuple[str, ...] = ()
    describe: Callable[[Recipe], dict[str, str]] = lambda recipe: {}
    probe: Callable[[NDArray[np.float32]], dict[str, float]] | None = None
    test: bool = False
    checkpoints: bool = False
    tables: Path = CHECKPOINTS / RESULTS / STUDIES

    def recipes(self, table: pd.DataFrame | None = None) -> dict[str, Recipe]:
        """Every run that is known, given the table of the finished ones, by a name that says what
        is special about it."""
        changes = list(self.changes)
        if self.follow_up is not None:
            changes += self.follow_up(pd.DataFrame() if table is None else table, self.tables)
            changes.sort(key=lambda change: change["seed"])
        return {
            ",".join(f"{key}={value}" for key, value in change.items()) or "as-it-is": replace(
                self.base, **change
            )
            for change in changes
        }

    def planned(self, table: pd.DataFrame | None = None) -> int:
        """The smallest number of runs, given the table of finished ones."""
        return max(self.min_runs, len(self.recipes(table)))

    @property
    def varied(self) -> list[str]:
        """Names of the hyperparameters that differ between runs."""
        return list(
            dict.fromkeys([*(key for change in self.changes for key in change), *self.varies])
        )


# Makes a run in its folder by its recipe; False where another command has made it or is at it.
MakeRun = Callable[[Study, Path, Recipe, PhotoFolder], bool]
# Makes one or more of the runs in these folders by their recipes; False where none is left.
Make = Callable[[Study, Mapping[Path, Recipe], PhotoFolder], bool]


def settings(table: pd.DataFrame) -> list[str]:
    """The columns of a study's table that say which run a row is of."""
    return list(table)[: list(table).index("epoch")]


def final_scores(table: pd.DataFrame, split: str = "val") -> pd.DataFrame:
    """One row a run: its settings and its last accuracy on a split, NaN where it diverged."""
    if table.empty:
        return table
    keys = settings(table)
    lost = table[(table.split == "train") & table.loss.isna()].assign(accuracy=math.nan)
    last = table[table.split == split].drop_duplicates(keys, keep="last")
    runs = pd.concat([lost, last]).drop_duplicates(keys).sort_index()
    return runs[[*keys, "accuracy"]].reset_index(drop=True)
