"""Tables of studies made up for tests."""

import math

import pandas as pd

from trainer.studies.conclusions import WAYS

FACTS = {
    "recipe": {"image_size": 32, "photos_per_species": 192, "epochs": 6, "batch_size": 32},
    "species": 25,
    "val_photos": 1000,
    "planned": 9,
    "done": 9,
    "minutes": 75,
    "in_time": True,
}


def histories(runs: list[tuple[dict, float]]) -> pd.DataFrame:
    """A study's table of runs of two epochs, given settings and final accuracy, NaN: diverged."""
    rows = []
    for settings, accuracy in runs:
        rows += [
            settings | {"epoch": 1, "split": split, "loss": 3.0, "accuracy": 0.04}
            for split in ("train", "val")
        ]
        if math.isnan(accuracy):
            rows.append(settings | {"epoch": 2, "split": "train"})
        else:
            rows += [
                settings | {"epoch": 2, "split": split, "loss": 1.0, "accuracy": accuracy}
                for split in ("train", "val")
            ]
    return pd.DataFrame(rows)


def optimizer_runs(cells: dict[tuple[str, float], list[float]]) -> pd.DataFrame:
    return histories(
        [
            (
                {
                    "optimizer_name": name,
                    "peak_learning_rate": rate,
                    "schedule": "constant",
                    "seed": seed,
                },
                accuracy,
            )
            for (name, rate), accuracies in cells.items()
            for seed, accuracy in enumerate(accuracies)
        ]
    )


def batch_runs(base: float, changes: dict[str, list[float]]) -> pd.DataFrame:
    """Runs at 32, and at 8 and 128 in all four ways, which differ from them by these changes."""
    runs = []
    for norm, by_seed in changes.items():
        for seed, change in enumerate(by_seed):
            start = base + seed / 100
            place = {"norm": norm, "seed": seed}
            runs.append((place | {"batch_size": 32, "equal": "both", "rate": "both"}, start))
            for size, sign in ((8, 1), (128, -1)):
                for equal, rate in WAYS:
                    way = {"batch_size": size, "equal": equal, "rate": rate}
                    runs.append((place | way, start + sign * change))
    return histories(runs)


def depth_runs(cells: dict[tuple[str, int], list[float]]) -> pd.DataFrame:
    return histories(
        [
            ({"norm": norm, "n": n, "peak_learning_rate": 0.1, "seed": seed}, accuracy)
            for (norm, n), accuracies in cells.items()
            for seed, accuracy in enumerate(accuracies)
        ]
    )


def quantile_runs(growth: dict[str, list[float]]) -> pd.DataFrame:
    table = histories(
        [
            ({"norm": norm, "peak_learning_rate": 0.1, "seed": seed}, times)
            for norm, by_seed in growth.items()
            for seed, times in enumerate(by_seed)
        ]
    )
    times = table.accuracy.where(table.epoch == 2, 1.0)
    table = table.assign(accuracy=0.5)
    for place, name in enumerate(("1", "20", "80", "99")):
        table[f"percentile_{name}"] = (times * place).where(table.split == "val")
    return table
