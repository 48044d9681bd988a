from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from trainer.model.norms import NORMS
from trainer.recipe import Recipe
from trainer.studies.definitions import (
    FULL_SIZE,
    OPTIMIZERS,
    PEAK_RATES,
    QUESTIONS,
    RATES,
    SEEDS,
    STUDIES,
    Study,
    feature_percentiles,
    optimizer_name,
)


def test_runs_are_named_after_what_they_change(tiny_recipe):
    study = Study("?", tiny_recipe, [{}, {"norm": "gn", "seed": 2}])
    assert list(study.recipes()) == ["as-it-is", "norm=gn,seed=2"]
    assert study.recipes()["norm=gn,seed=2"] == replace(tiny_recipe, norm="gn", seed=2)
    assert study.varied == ["norm", "seed"]


@pytest.mark.parametrize("name", QUESTIONS)
@pytest.mark.parametrize("studies", [STUDIES, FULL_SIZE], ids=["small", "full"])
def test_every_run_stands_once_and_those_of_earlier_seeds_first(studies, name):
    study = studies[name]
    assert len(study.recipes()) == len(set(study.recipes().values())) == len(study.changes)
    seeds = [recipe.seed for recipe in study.recipes().values()]
    assert seeds == sorted(seeds)
    assert set(Counter(seeds).values()) == {len(study.changes) // len(SEEDS)}


def test_every_norm_chooses_its_learning_rate_from_the_same_list():
    recipes = STUDIES["learning-rate"].recipes().values()
    chosen = {norm: [r.learning_rate for r in recipes if r.norm == norm] for norm in NORMS}
    assert set(map(tuple, chosen.values())) == {PEAK_RATES}


@pytest.mark.parametrize("name", QUESTIONS)
def test_at_full_size_a_study_has_all_photos_and_no_limit(name):
    small, full = STUDIES[name], FULL_SIZE[name]
    assert small.minutes == 75
    assert full.minutes == float("inf")
    assert full.budget.photos_per_species is None
    assert full.budget.image_size == Recipe().image_size
    assert len(full.changes) == len(small.changes)


def test_batch_sizes_have_equal_epochs_or_steps_and_scaled_rates_or_not():
    study = STUDIES["batch-size"]
    base = study.budget
    photos = 25 * base.photos_per_species
    found = Counter()
    for recipe in study.recipes().values():
        said = study.describe(recipe)
        found[recipe.norm, recipe.batch_size] += 1
        steps = recipe.epochs * -(-photos // recipe.batch_size)
        if said["equal"] in ("steps", "both"):
            assert steps == pytest.approx(base.epochs * photos / 32, rel=0.02)
        if said["equal"] in ("epochs", "both"):
            assert recipe.epochs == base.epochs
        if said["rate"] in ("scaled", "both"):
            per_photo = recipe.learning_rate / recipe.batch_size
            assert per_photo == pytest.approx(base.learning_rate / 32)
        if said["rate"] in ("not scaled", "both"):
            assert recipe.learning_rate == base.learning_rate
    for norm in ("bn", "gn", "in", "bin"):
        assert [found[norm, size] for size in (8, 32, 128)] == [12, 3, 12]


def first_seeds(best: dict[str, float], diverged: float = 1.0) -> pd.DataFrame:
    """The first stage of `optimizers`, run with the first seed, each best at a rate of its own."""
    study, rows = STUDIES["optimizers"], []
    for recipe in study.recipes().values():
        name = optimizer_name(recipe)
        if recipe.seed == 0 and name in best:
            accuracy = 0.5 if recipe.learning_rate == best[name] else 0.2
            run = {
                "optimizer_name": name,
                "peak_learning_rate": recipe.learning_rate,
                "schedule": "constant",
                "seed": 0,
            }
            if recipe.learning_rate >= diverged:
                rows.append(run | {"epoch": 1, "split": "train"})
            else:
                end = {"epoch": study.budget.epochs, "split": "val", "accuracy": accuracy}
                rows.append(run | end)
    return pd.DataFrame(rows)


def test_schedules_follow_where_the_first_seed_has_tried_every_rate_diverged_or_not():
    study = STUDIES["optimizers"]
    table = first_seeds({"SGD": RATES[2], "Adam": RATES[1]}, diverged=RATES[4])
    assert study.then(table.iloc[:0]) == []
    table = table.iloc[:-1]  # Adam's last rate is not done yet
    then = study.then(table)
    assert {change["optimizer"] for change in then} == {"sgd"}
    assert {change["learning_rate"] for change in then} == {RATES[2]}
    assert Counter(change["schedule"] for change in then) == {"step": 3, "cosine": 3}
    seeds = [recipe.seed for recipe in study.recipes(table).values()]
    assert seeds == sorted(seeds)
    assert len(seeds) == len(study.changes) + 6


def test_the_first_stage_is_each_optimizer_at_each_rate():
    study = STUDIES["optimizers"]
    names = Counter(optimizer_name(recipe) for recipe in study.recipes().values())
    assert len(names) == len(OPTIMIZERS) == 7
    assert set(names.values()) == {len(RATES) * len(SEEDS)}
    assert "SGD, Nesterov momentum 0.9" in names
    assert {recipe.schedule for recipe in study.recipes().values()} == {"constant"}


def test_percentiles_are_over_all_values_of_the_features():
    features = np.arange(101, dtype=np.float32).reshape(1, 101, 1, 1)
    assert feature_percentiles(features) == {
        "percentile_1": 1.0,
        "percentile_20": 20.0,
        "percentile_80": 80.0,
        "percentile_99": 99.0,
    }
