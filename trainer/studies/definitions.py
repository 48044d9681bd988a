"""The studies: what each asks, and the runs that answer it."""

from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from trainer.recipe import NormKey, Recipe
from trainer.studies.search import (
    MAX_RATES,
    SEARCH,
    SEEDS,
    around,
    at_rates,
    first_seed,
    in_table,
    repeated,
    search,
)
from trainer.studies.study import Change, Study, final_scores

# The size of all studies but `norms`: `bn` learns to 3 in 4 val photos in minutes.
PILOT = replace(
    Recipe(),
    image_size=32,
    stored_size=64,
    first_scale=1.0,
    photos_per_species=400,
    batch_size=32,
    epochs=20,
    learning_rate=0.1,
)
# Batches as in the pilot, so that the learning rates found there suit.
ALL_PHOTOS = replace(
    PILOT,
    image_size=64,
    stored_size=96,
    first_scale=Recipe().first_scale,
    photos_per_species=None,
    epochs=16,
)
NORMS_SEARCHED = tuple(norm for norm in get_args(NormKey) if norm != "torch-bn")


def learning_rates(base: Recipe) -> Study:
    """The learning rate of each norm, which other studies take over."""

    def follow_up(table: pd.DataFrame, _: Path) -> list[Change]:
        runs, found = final_scores(table), []
        for norm in NORMS_SEARCHED:
            known = first_seed(runs, base, {"norm": norm})
            found += at_rates({"norm": norm}, search(around(base.learning_rate), known)[0])
        return found

    return Study(
        "Which learning rate suits each norm?",
        base,
        at_rates({"norm": "bn"}, [base.learning_rate]),
        follow_up,
        "Three rates a factor of 2 apart are tried, and further ones while the best is the "
        f"lowest or the highest, up to {MAX_RATES}, with one seed.",
        min_runs=3 * len(NORMS_SEARCHED),
    )


def own_rates(tables: Path) -> dict[str, float]:
    """The learning rate of each norm by the table of `learning-rate`, as far as it goes.

    tables: its folder. torch-bn computes the same as bn.
    """
    path = tables / "learning-rate.csv"
    runs, found = final_scores(pd.read_csv(path) if path.exists() else pd.DataFrame()), {}
    for norm in get_args(NormKey):
        known = first_seed(runs, PILOT, {"norm": "bn" if norm == "torch-bn" else norm})
        best = search(around(PILOT.learning_rate), known)[1]
        if best is not None:
            found[norm] = best
    return found


def every_norm(question: str, base: Recipe, **attributes: Any) -> Study:
    """All seven variants with all seeds, each at its own learning rate."""

    def follow_up(table: pd.DataFrame, tables: Path) -> list[Change]:
        rates = own_rates(tables)
        return [
            {"norm": norm, "learning_rate": rates[norm], "seed": seed}
            for seed, norm in product(SEEDS, get_args(NormKey))
            if norm in rates
        ]

    return Study(
        question,
        base,
        follow_up=follow_up,
        rule="Each norm trains at the rate that the study of learning rates found for it, torch-bn "
        "at that of bn.",
        min_runs=len(SEEDS) * len(get_args(NormKey)),
        varies=("norm", "learning_rate", "seed"),
        **attributes,
    )


# Each begins where the step is as long as the pilot's: a momentum m makes it 1 / (1 - m) times so.
OPTIMIZERS: list[tuple[Change, float]] = [
    ({"optimizer": "sgd", "momentum": 0.9, "nesterov": True}, 0.1),
    ({"optimizer": "sgd", "momentum": 0.9, "nesterov": False}, 0.1),
    ({"optimizer": "adam"}, 0.002),
    # Its decay acts once for each unit of the learning rate, so it wants more than the others'.
    ({"optimizer": "adamw", "weight_decay": 0.05}, 0.002),
    ({"optimizer": "sgd", "momentum": 0.0, "nesterov": False}, 1.0),
    ({"optimizer": "sgd", "momentum": 0.5, "nesterov": False}, 0.5),
    ({"optimizer": "rmsprop"}, 0.001),
]
# Its best of SGD, where its search began, and Adam, at the usual rate as it names none.
REPORTS_OWN: list[tuple[Change, float]] = [
    ({"optimizer": "sgd", "momentum": 0.9, "nesterov": False}, 2e-3),
    ({"optimizer": "sgd", "momentum": 0.0, "nesterov": False}, 1e-4),
    ({"optimizer": "adam"}, 1e-3),
]
OTHER_SCHEDULES = ("cosine", "step")
NAMES = {"sgd": "SGD", "adam": "Adam", "adamw": "AdamW", "rmsprop": "RMSprop"}


def optimizer_name(recipe: Recipe) -> str:
    """An optimizer as people name it: SGD, Nesterov momentum 0.9."""
    name = NAMES[recipe.optimizer]
    if recipe.optimizer != "sgd" or not recipe.momentum:
        return name
    return f"{name}, {'Nesterov ' if recipe.nesterov else ''}momentum {recipe.momentum:g}"


def optimizers(base: Recipe) -> Study:
    """Each optimizer at its best learning rate and schedule, and the report's own settings."""

    def scheduled(optimizer: Change, schedule: str) -> Change:
        return optimizer | {"schedule": schedule}

    def follow_up(table: pd.DataFrame, _: Path) -> list[Change]:
        runs, found = final_scores(table), []
        for optimizer, start in OPTIMIZERS:
            usual = scheduled(optimizer, base.schedule)
            known = first_seed(runs, base, usual)
            tried, best = search(around(start), known)
            found += at_rates(usual, tried)
            if best is None:
                continue
            ends: dict[str, float] = {base.schedule: known[best]}
            for schedule in OTHER_SCHEDULES:
                other = scheduled(optimizer, schedule)
                found += at_rates(other, [best])
                if best in (seen := first_seed(runs, base, other)):
                    ends[schedule] = seen[best]
            if len(ends) > len(OTHER_SCHEDULES):
                found += repeated(scheduled(optimizer, max(ends, key=ends.__getitem__)), best)
        return found

    own = [
        scheduled(optimizer, "constant") | {"learning_rate": rate, "seed": seed}
        for seed, (optimizer, rate) in product(SEEDS, REPORTS_OWN)
    ]
    begin = [
        change
        for optimizer, rate in OPTIMIZERS
        for change in at_rates(scheduled(optimizer, base.schedule), [rate])
    ]
    return Study(
        "Which optimizer trains best, each at its best learning rate and schedule?",
        base,
        [*begin, *own],
        follow_up,
        f"{SEARCH} Before that the schedule is chosen in the same way: {base.schedule}, under "
        f"which the rate was found, {' or '.join(OTHER_SCHEDULES)}. The report's own settings run "
        "as long, at a constant rate.",
        min_runs=len(OPTIMIZERS) * (3 + len(OTHER_SCHEDULES) + len(SEEDS) - 1) + len(own),
        describe=lambda recipe: {"optimizer_name": optimizer_name(recipe)},
    )


BATCHES = [
    *(("epochs", norm, size) for size in (32, 8, 128) for norm in ("bn", "gn", "bin")),
    *(("steps", norm, size) for size in (8, 128) for norm in ("bn", "gn", "bin")),
    *(("epochs", norm, 2) for norm in ("bn", "gn")),
]


def batch_sizes(base: Recipe) -> Study:
    """Batches of 2, 8, 32 and 128, as many epochs or as many steps, each at its best rate."""

    def setting(equal: str, norm: str, size: int) -> Change:
        scale = size / base.batch_size if equal == "steps" else 1
        return {"norm": norm, "batch_size": size, "epochs": round(base.epochs * scale)}

    def start(size: int) -> list[float]:
        return around(base.learning_rate * size / base.batch_size)

    def follow_up(table: pd.DataFrame, _: Path) -> list[Change]:
        runs, found = final_scores(table), []
        for equal, norm, size in BATCHES:
            known = first_seed(runs, base, setting("epochs", norm, size))
            tried, best = search(start(size), known)
            if equal == "steps":
                if best is None:
                    continue
                two = sorted(tried, key=lambda rate: -known[rate])[:2]
                known = first_seed(runs, base, setting(equal, norm, size))
                tried, best = search(two, known, most=2)
            found += at_rates(setting(equal, norm, size), tried)
            found += repeated(setting(equal, norm, size), best)
        return found

    def describe(recipe: Recipe) -> dict[str, str]:
        if recipe.batch_size == base.batch_size:
            return {"equal": "both"}
        return {"equal": "epochs" if recipe.epochs == base.epochs else "steps"}

    equal_steps = sum(equal == "steps" for equal, _, _ in BATCHES)
    return Study(
        "Does batch norm lose more than others in small batches, and group norm not?",
        base,
        at_rates(setting("epochs", "bn", base.batch_size), [base.learning_rate]),
        follow_up,
        f"{SEARCH} The first three are around {base.learning_rate:g} in proportion to the batch. "
        "As many steps are run at the two rates that are best for as many epochs.",
        min_runs=5 * len(BATCHES) - equal_steps,
        describe=describe,
    )


DEPTHS = (2, 1, 3, 5, 9)


def depths(base: Recipe) -> Study:
    """Networks of 8 to 56 layers, at two learning rates, since the deeper may want a lower one."""
    rates = (base.learning_rate, in_table(base.learning_rate / 4))
    settings = [{"norm": norm, "n": n} for n in DEPTHS for norm in ("bn", "gn", "nn")]

    def follow_up(table: pd.DataFrame, _: Path) -> list[Change]:
        runs = final_scores(table)
        return [
            change
            for setting in settings
            for change in repeated(
                setting, search(rates, first_seed(runs, base, setting), most=2)[1]
            )
        ]

    return Study(
        "At which depth does a network without a norm stop training?",
        base,
        [change for setting in settings for change in at_rates(setting, rates)],
        follow_up,
        "Each depth and norm is tried at two rates with the first seed; at the better one on val "
        "the other seeds follow.",
        min_runs=len(settings) * (len(rates) + len(SEEDS) - 1),
    )


PERCENTILES = (1, 20, 80, 99)


def feature_percentiles(features: NDArray[np.float32]) -> dict[str, float]:
    """Percentiles of all values of a feature map (Wu and He 2018, section 4.1)."""
    values = np.percentile(features, PERCENTILES)
    return {f"percentile_{p}": float(v) for p, v in zip(PERCENTILES, values, strict=True)}


STUDIES = {
    "learning-rate": learning_rates(PILOT),
    "norms": every_norm(
        "Which norm is best, each at its own learning rate?", ALL_PHOTOS, test=True
    ),
    "optimizers": optimizers(PILOT),
    "batch-size": batch_sizes(PILOT),
    "depth": depths(PILOT),
    "feature-quantiles": every_norm(
        "What do the features that enter the last pooling do while each norm trains?",
        PILOT,
        probe=feature_percentiles,
    ),
}
