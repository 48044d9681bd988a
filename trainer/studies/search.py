"""The search for a setting's learning rate, on the first seed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from trainer.recipe import Recipe
from trainer.studies.study import Change

SEEDS = range(3)
MAX_RATES = 7
SEARCH = (
    "The learning rate of a setting is the best on val with the first seed. Three rates a factor "
    f"of 2 apart are tried, and up to {MAX_RATES} while the best one is the lowest or highest. The "
    "other seeds run at that rate."
)


def around(rate: float) -> list[float]:
    """Half a learning rate, itself and twice it."""
    return [in_table(rate / 2), in_table(rate), in_table(rate * 2)]


def in_table(rate: float) -> float:
    """A learning rate with as many digits as a study's table has."""
    return float(f"{rate:.6g}")


def search(
    rates: Sequence[float], known: Mapping[float, float], most: int = MAX_RATES
) -> tuple[list[float], float | None]:
    """The learning rates that a setting is tried at with the first seed, and the best of them.

    Args:
        rates: to begin with.
        known: accuracy at each rate that was tried, -1 where the run diverged.
        most: rates to try; with as many as `rates` no further ones are.

    Returns:
        The rates in order, and the best one, None while it is unknown.
    """
    tried = sorted(rates)
    while all(rate in known for rate in tried):
        best = max(tried, key=known.__getitem__)
        if len(tried) >= most or best not in (tried[0], tried[-1]):
            return tried, best
        tried = sorted([*tried, in_table(best / 2 if best == tried[0] else best * 2)])
    return tried, None


def first_seed(runs: pd.DataFrame, base: Recipe, setting: Change) -> dict[float, float]:
    """Accuracy on val at the end of a setting's runs with the first seed, by learning rate.

    runs: as `final_scores` makes them. -1 where a run diverged.
    """
    if runs.empty:
        return {}
    recipe = replace(base, **setting).as_dict()
    runs = runs[runs.seed == SEEDS[0]]
    for key in recipe.keys() & set(runs) - {"seed"}:
        runs = runs[runs[key] == recipe[key]]
    accuracies = runs.accuracy.fillna(-1)
    return {in_table(k): v for k, v in zip(runs.peak_learning_rate, accuracies, strict=True)}


def repeated(setting: Change, rate: float | None) -> list[Change]:
    """A setting's runs with the seeds after the first one; none while its rate is unknown."""
    if rate is None:
        return []
    return [setting | {"learning_rate": rate, "seed": seed} for seed in SEEDS[1:]]


def at_rates(setting: Change, rates: Sequence[float]) -> list[Change]:
    """A setting's runs with the first seed."""
    return [setting | {"learning_rate": rate, "seed": SEEDS[0]} for rate in rates]
