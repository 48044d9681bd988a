"""Tables of studies made up for tests."""

import math
from typing import Any

import pandas as pd

FACTS = {
    "recipe": {"image_size": 32, "photos_per_species": 192, "epochs": 6, "batch_size": 32},
    "species": 25,
    "val_photos": 1000,
    "planned": 9,
    "done": 9,
    "rule": "Rates are chosen.",
    "machines": [{"processor": "P", "cores": 2}],
}


def histories(runs: list[tuple[dict, float]], test: bool = False) -> pd.DataFrame:
    """A study's table of runs of two epochs, given settings and final accuracy, NaN: diverged."""
    rows = []
    for settings, accuracy in runs:
        rows += [
            settings | {"epoch": 1, "split": split, "loss": 3.0, "accuracy": 0.04, "seconds": 60}
            for split in ("train", "val")
        ]
        if math.isnan(accuracy):
            rows.append(settings | {"epoch": 2, "split": "train"})
        else:
            end = settings | {"epoch": 2, "loss": 1.0, "accuracy": accuracy, "seconds": 60}
            rows += [end | {"split": split} for split in ("train", "val")]
            if test:
                rows.append(settings | {"epoch": 2, "split": "test", "accuracy": accuracy})
    return pd.DataFrame(rows)


def runs_of(columns: list[str], cells: dict[Any, list[float]], test: bool = False) -> pd.DataFrame:
    """Histories of settings with an accuracy for each seed."""
    return histories(
        [
            (dict(zip(columns, cell, strict=True)) | {"seed": seed}, accuracy)
            for cell, accuracies in cells.items()
            for seed, accuracy in enumerate(accuracies)
        ],
        test,
    )


def norm_runs(cells: dict[str, list[float]]) -> pd.DataFrame:
    named = {(norm, 0.1): accuracies for norm, accuracies in cells.items()}
    return runs_of(["norm", "peak_learning_rate"], named, test=True)


def rate_runs(cells: dict[tuple[str, float], list[float]]) -> pd.DataFrame:
    return runs_of(["norm", "peak_learning_rate"], cells)


def optimizer_runs(cells: dict[tuple[str, str, float], list[float]]) -> pd.DataFrame:
    """Runs of an optimizer under a schedule at a rate."""
    return runs_of(["optimizer_name", "schedule", "peak_learning_rate"], cells)


def batch_runs(cells: dict[tuple[str, int, str], list[float]]) -> pd.DataFrame:
    """Runs of a norm and batch size, and what is kept equal."""
    named = {(*cell, 20, 0.1): accuracies for cell, accuracies in cells.items()}
    columns = ["norm", "batch_size", "equal", "epochs", "peak_learning_rate"]
    return runs_of(columns, named)


def depth_runs(cells: dict[tuple[str, int], list[float]]) -> pd.DataFrame:
    named = {(*cell, 0.1): accuracies for cell, accuracies in cells.items()}
    return runs_of(["norm", "n", "peak_learning_rate"], named)


def quantile_runs(growth: dict[str, list[float]]) -> pd.DataFrame:
    named = {(norm, 0.1): times for norm, times in growth.items()}
    table = runs_of(["norm", "peak_learning_rate"], named)
    times = table.accuracy.where(table.epoch == 2, 1.0)
    table = table.assign(accuracy=0.5)
    for place, name in enumerate(("1", "20", "80", "99")):
        table[f"percentile_{name}"] = (times * place).where(table.split == "val")
    return table
