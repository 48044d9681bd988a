"""The studies themselves: what each asks, and the runs that answer it."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainer.recipe import NormKey, Recipe

Change = dict[str, Any]
SEEDS = range(3)


@dataclass(frozen=True)
class Study:
    """One question and the runs that answer it.

    Attributes:
        question: what is asked.
        budget: what all runs have in common.
        changes: for each run, what it changes of the budget; where time may run out, all runs with
            the first seed stand before those with the second.
        then: further changes that follow from the table of the runs finished so far.
        minutes: for which the study may keep two cores busy; the last runs are dropped for it.
        describe: words about a run for further columns of the table.
        watch: what to measure after each epoch of the features (N, C, H, W) float that enter the
            last pooling, of the same val photos each time.
        harder: whether val photos without a relative in train are scored by themselves, too, and
            all of val as shrunk with another filter: a network that knows its training photos by
            heart, or how they were shrunk, looks good on val alone.
        checkpoints: whether each run ends as a whole checkpoint.
    """

    question: str
    budget: Recipe
    changes: Sequence[Change]
    then: Callable[[pd.DataFrame], Sequence[Change]] | None = None
    minutes: float = math.inf
    describe: Callable[[Recipe], dict[str, str]] = lambda recipe: {}
    watch: Callable[[NDArray[np.float32]], dict[str, float]] | None = None
    harder: bool = False
    checkpoints: bool = False

    def all_changes(self, table: pd.DataFrame | None = None) -> Sequence[Change]:
        """The changes of all runs that are known, given the table of the finished ones."""
        if self.then is None or table is None:
            return self.changes
        return sorted([*self.changes, *self.then(table)], key=lambda change: change["seed"])

    def recipes(self, table: pd.DataFrame | None = None) -> dict[str, Recipe]:
        """Every run that is known, by a name that says what is special about it."""
        return {
            ",".join(f"{key}={value}" for key, value in change.items()) or "as-it-is": replace(
                self.budget, **change
            )
            for change in self.all_changes(table)
        }

    @property
    def varied(self) -> list[str]:
        """Names of the hyperparameters that differ between runs."""
        return list(dict.fromkeys(key for change in self.changes for key in change))


# The rates of the report's search for SGD are the first two.
RATES = (1e-4, 2e-3, 1e-2, 5e-2, 2e-1)
OPTIMIZERS: list[Change] = [
    {"optimizer": "sgd", "momentum": 0.0, "nesterov": False},
    {"optimizer": "sgd", "momentum": 0.5, "nesterov": False},
    {"optimizer": "sgd", "momentum": 0.9, "nesterov": False},
    {"optimizer": "sgd", "momentum": 0.9, "nesterov": True},
    {"optimizer": "adam"},
    # Its decay acts once for each unit of the learning rate, so it wants more than the others'.
    {"optimizer": "adamw", "weight_decay": 0.05},
    {"optimizer": "rmsprop"},
]
NAMES = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}


def optimizer_name(recipe: Recipe) -> str:
    """An optimizer as people name it: SGD, Nesterov momentum 0.9."""
    name = NAMES[recipe.optimizer]
    if recipe.optimizer != "sgd" or not recipe.momentum:
        return name
    return f"{name}, {'Nesterov ' if recipe.nesterov else ''}momentum {recipe.momentum:g}"


def optimizers(budget: Recipe, minutes: float) -> Study:
    """Each optimizer at the same learning rates; then the best rate of each under schedules."""
    constant = {"schedule": "constant"}

    def schedules(table: pd.DataFrame) -> list[Change]:
        """The best rate of each optimizer is that of the first seed, so that it stays the same."""
        found: list[Change] = []
        if table.empty:
            return found
        first = table[(table.seed == SEEDS[0]) & (table.schedule == "constant")]
        for optimizer in OPTIMIZERS:
            runs = first[first.optimizer_name == optimizer_name(replace(budget, **optimizer))]
            ends = runs[(runs.split == "val") & (runs.epoch == budget.epochs)]
            if runs.peak_learning_rate.nunique() == len(RATES) and len(ends):
                rate = float(ends.loc[ends.accuracy.idxmax(), "peak_learning_rate"])
                found += [
                    {**optimizer, "learning_rate": rate, "schedule": schedule, "seed": seed}
                    for seed, schedule in product(SEEDS, ("step", "cosine"))
                ]
        return found

    return Study(
        "Which optimizer trains best, at which learning rate and under which schedule?",
        budget,
        [
            {**optimizer, "learning_rate": rate, **constant, "seed": seed}
            for seed, optimizer, rate in product(SEEDS, OPTIMIZERS, RATES)
        ],
        then=schedules,
        minutes=minutes,
        describe=lambda recipe: {"optimizer_name": optimizer_name(recipe)},
    )


def batch_sizes(budget: Recipe, minutes: float) -> Study:
    """Batches of 8, 32 and 128, as many epochs or steps, the learning rate scaled or not."""
    changes: list[Change] = []
    for seed, norm, size in product(SEEDS, ("bn", "gn", "in", "bin"), (8, 32, 128)):
        scale = size / budget.batch_size
        # At the budget's own size the four coincide.
        for length, rate in dict.fromkeys(product((1, scale), (1, scale))):
            changes.append(
                {
                    "norm": norm,
                    "batch_size": size,
                    "epochs": round(budget.epochs * length),
                    "learning_rate": budget.learning_rate * rate,
                    "seed": seed,
                }
            )

    def describe(recipe: Recipe) -> dict[str, str]:
        if recipe.batch_size == budget.batch_size:
            return {"equal": "both", "rate": "both"}
        return {
            "equal": "epochs" if recipe.epochs == budget.epochs else "steps",
            "rate": "not scaled" if recipe.learning_rate == budget.learning_rate else "scaled",
        }

    return Study(
        "Does batch norm lose more than others in small batches, and group norm not?",
        budget,
        changes,
        minutes=minutes,
        describe=describe,
    )


PERCENTILES = (1, 20, 80, 99)


def feature_percentiles(features: NDArray[np.float32]) -> dict[str, float]:
    """Percentiles of all values of a feature map (Wu and He 2018, section 4.1)."""
    values = np.percentile(features, PERCENTILES)
    return {f"percentile_{p}": float(v) for p, v in zip(PERCENTILES, values, strict=True)}


def feature_quantiles(budget: Recipe, minutes: float) -> Study:
    """All seven norms, watched."""
    return Study(
        "What do the features that enter the last pooling do while each norm trains?",
        budget,
        [
            {"norm": norm, "learning_rate": without_norm(norm, budget), "seed": seed}
            for seed, norm in product(SEEDS, get_args(NormKey))
        ],
        minutes=minutes,
        watch=feature_percentiles,
    )


def without_norm(norm: str, budget: Recipe) -> float:
    """The budget's learning rate, or half of it without a norm: each within a standard error
    of the best on val."""
    return budget.learning_rate / 2 if norm == "nn" else budget.learning_rate


def depths(budget: Recipe, minutes: float) -> Study:
    """Networks of 8 to 32 layers, at two learning rates, since the deeper may want a lower one."""
    rates = (budget.learning_rate, budget.learning_rate / 4)
    return Study(
        "At which depth does no normalisation stop training?",
        budget,
        [
            {"norm": norm, "n": n, "learning_rate": rate, "seed": seed}
            for seed, n, norm, rate in product(SEEDS, (1, 2, 3, 5), ("bn", "gn", "nn"), rates)
        ],
        minutes=minutes,
    )


SHORT = replace(Recipe(), image_size=64, epochs=6)
# Those that every norm may choose from, on val.
PEAK_RATES = (0.05, 0.1, 0.2, 0.4)
WHOLE = replace(Recipe(), batch_size=32, learning_rate=0.1)
SMALL = replace(WHOLE, image_size=32, stored_size=64, first_scale=1.0, photos_per_species=192)
# Hundreds of runs fit into the minutes with fewer pixels; so few epochs want a lower rate.
SMALLEST = replace(SMALL, image_size=24, stored_size=48, epochs=4, learning_rate=0.05)
MINUTES = 75
# With SMALLEST all seeds fit even where a core computes in float32 only, at 400 photos a second.
QUESTIONS = {
    "optimizers": (optimizers, SMALLEST),
    "batch-size": (batch_sizes, SMALLEST),
    "feature-quantiles": (feature_quantiles, replace(SMALL, epochs=20)),
    "depth": (depths, SMALLEST),
}
STUDIES = {
    "recipe": Study(
        "What does each part of the recipe bring, at 64 px and in 4 epochs?",
        replace(SHORT, epochs=4),
        [
            {},
            {"seed": 1},
            {"label_smoothing": 0.0},
            {"weight_decay": 1e-4},
            {"learning_rate": 0.1},
            {"augmentation": "crops-and-colour"},
            {"first_scale": 1.0},
            {"optimizer": "adamw", "learning_rate": 3e-3, "weight_decay": 0.05},
            {"schedule": "cosine", "warmup": 0.25},
            {"augmentation": "none"},
        ],
    ),
    # Four epochs cannot tell: what makes photos vary pays later.
    "augmentation": Study(
        "Does augmentation pay in as many epochs as the shipped networks train for, at 64 px?",
        replace(SHORT, epochs=Recipe().epochs),
        [
            {**change, "seed": seed}
            for seed in SEEDS[:2]
            for change in (
                {"smallest_crop": 0.35},
                {"smallest_crop": 0.65},
                {"smallest_crop": 1.0},
                {"augmentation": "none"},
            )
        ],
        harder=True,
    ),
    "learning-rate": Study(
        "Which learning rate suits each norm, by val, at 64 px and in 6 epochs?",
        SHORT,
        [
            {"norm": norm, "learning_rate": rate}
            for rate in PEAK_RATES
            for norm in get_args(NormKey)
        ],
    ),
    "norms": Study(
        "Which norm is best when all train alike, and how much is chance?",
        SHORT,
        [
            {"norm": norm, "seed": seed}
            | ({"learning_rate": without_norm(norm, SHORT)} if norm == "nn" else {})
            for seed in SEEDS
            for norm in get_args(NormKey)
        ],
        checkpoints=True,
    ),
} | {name: ask(budget, MINUTES) for name, (ask, budget) in QUESTIONS.items()}
FULL_SIZE = STUDIES | {name: ask(WHOLE, math.inf) for name, (ask, _) in QUESTIONS.items()}
