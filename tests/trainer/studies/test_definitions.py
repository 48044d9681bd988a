import math
from collections import Counter
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from trainer.model.norms import NORMS
from trainer.studies.definitions import (
    OPTIMIZERS,
    PILOT,
    STUDIES,
    feature_percentiles,
    optimizer_name,
    own_rates,
)
from trainer.studies.search import MAX_RATES, search
from trainer.studies.study import Study
from trainer.studies.tables import run_columns

STARTS = {optimizer_name(replace(PILOT, **change)): rate for change, rate in OPTIMIZERS}


def runs_of(study: Study, times: float, seeds: int = 3) -> pd.DataFrame:
    """The table of a study after all of its runs with the first seeds.

    Each setting is best at a given multiple of the rate at which its search begins.
    """
    table = pd.DataFrame()
    while True:
        rows = []
        for recipe in study.recipes(table).values():
            best = times * STARTS[optimizer_name(recipe)] * recipe.batch_size / 32
            accuracy = 0.8 - 0.1 * abs(math.log2(recipe.learning_rate / best))
            end = {"epoch": recipe.epochs, "split": "val", "loss": 1.0, "accuracy": accuracy}
            if recipe.seed < seeds:
                rows.append(run_columns(study, recipe) | end)
        if len(rows) == len(table):
            return table
        table = pd.DataFrame(rows)


@pytest.fixture
def rates(monkeypatch, tmp_path):
    """The table of `learning-rate`, in which 0.2 suits every norm."""
    path = tmp_path / "learning-rate.csv"
    runs_of(STUDIES["learning-rate"], 2).to_csv(path, index=False)
    for name, study in STUDIES.items():
        monkeypatch.setitem(STUDIES, name, replace(study, tables=tmp_path))
    return path


def test_runs_are_named_after_what_they_change(tiny_recipe):
    study = Study("?", tiny_recipe, [{}, {"norm": "gn", "seed": 2}])
    assert list(study.recipes()) == ["as-it-is", "norm=gn,seed=2"]
    assert study.recipes()["norm=gn,seed=2"] == replace(tiny_recipe, norm="gn", seed=2)
    assert study.varied == ["norm", "seed"]


@pytest.mark.parametrize("name", STUDIES)
@pytest.mark.parametrize("times", [1, 2, 0.5])
def test_every_run_stands_once_and_those_of_earlier_seeds_first(name, times, rates):
    study = STUDIES[name]
    recipes = study.recipes(runs_of(study, times))
    told = [tuple(run_columns(study, recipe).values()) for recipe in recipes.values()]
    assert len(set(told)) == len(set(recipes.values())) == len(recipes)
    seeds = [recipe.seed for recipe in recipes.values()]
    assert seeds == sorted(seeds)
    # Where no search has to go further than it begins, the runs are as many as was said before.
    assert len(recipes) == study.min_runs if times == 1 else len(recipes) >= study.min_runs


@pytest.mark.parametrize("name", ["optimizers", "batch-size", "depth"])
def test_a_setting_is_repeated_with_every_seed_at_its_best_rate_only(name):
    study = STUDIES[name]
    runs = runs_of(study, 1)
    repeated = runs[runs.seed > 0].drop(columns=["seed", "epoch", "split", "loss", "accuracy"])
    cells = Counter(map(tuple, repeated.to_numpy().tolist()))
    assert set(cells.values()) == {2}
    first = runs_of(study, 1, seeds=1)
    assert set(first.seed) == {0}
    assert len(study.recipes(first)) == len(runs)


def test_a_search_goes_on_while_the_best_rate_is_the_lowest_or_the_highest():
    known = {0.05: 0.5, 0.1: 0.6, 0.2: 0.7}
    assert search([0.05, 0.1, 0.2], {0.1: 0.6}) == ([0.05, 0.1, 0.2], None)
    assert search([0.05, 0.1, 0.2], known) == ([0.05, 0.1, 0.2, 0.4], None)
    known[0.4] = -1  # diverged
    assert search([0.05, 0.1, 0.2], known) == ([0.05, 0.1, 0.2, 0.4], 0.2)
    assert search([0.05, 0.1], known, most=2) == ([0.05, 0.1], 0.1)
    tried, best = search([1.0, 2.0, 4.0], dict.fromkeys((2.0**k for k in range(-9, 9)), 0.04))
    assert len(tried) == MAX_RATES
    assert best is not None


def test_norms_train_at_the_rates_that_were_found_for_them(rates):
    assert own_rates(rates.parent) == dict.fromkeys(NORMS, 0.2)
    table = pd.read_csv(rates)
    table[(table.norm != "bn") | (table.peak_learning_rate != 0.4)].to_csv(rates, index=False)
    found = {recipe.norm: recipe.learning_rate for recipe in STUDIES["norms"].recipes().values()}
    assert found == dict.fromkeys(NORMS.keys() - {"bn", "torch-bn"}, 0.2)  # those are not known
    other = replace(STUDIES["norms"], tables=rates.parent / "other")  # of other photos
    assert not other.recipes()


def test_norms_see_all_photos_and_the_others_the_same_ones_of_each_species():
    assert STUDIES["norms"].base.photos_per_species is None
    assert {s.base for name, s in STUDIES.items() if name != "norms"} == {PILOT}


def test_batch_sizes_have_equal_epochs_or_steps():
    study = STUDIES["batch-size"]
    base, photos = study.base, 25 * 400
    found = set()
    for recipe in study.recipes(runs_of(study, 1)).values():
        said = study.describe(recipe)["equal"]
        found.add((recipe.norm, recipe.batch_size, said))
        if said in ("steps", "both"):
            steps = recipe.epochs * -(-photos // recipe.batch_size)
            assert steps == pytest.approx(base.epochs * photos / 32, rel=0.02)
        if said in ("epochs", "both"):
            assert recipe.epochs == base.epochs
    three = {(norm, 32, "both") for norm in ("bn", "gn", "bin")}
    three |= {(norm, n, e) for norm, _, _ in three for n in (8, 128) for e in ("epochs", "steps")}
    assert found == three | {("bn", 2, "epochs"), ("gn", 2, "epochs")}


def test_the_best_schedule_of_each_optimizer_is_repeated_and_the_reports_settings_are():
    study = STUDIES["optimizers"]
    table = runs_of(study, 1, seeds=1)
    cosine = (table.optimizer == "adam") & (table.schedule == "cosine")
    table.loc[cosine, "accuracy"] = 0.9
    repeated = [r for r in study.recipes(table).values() if r.seed == 1]
    schedules = {optimizer_name(r): r.schedule for r in repeated if r.schedule != "constant"}
    assert schedules == dict.fromkeys(STARTS, "triangular") | {"Adam": "cosine"}
    constant = {(optimizer_name(r), r.learning_rate) for r in repeated if r.schedule == "constant"}
    assert constant == {("SGD, momentum 0.9", 2e-3), ("SGD", 1e-4), ("Adam", 1e-3)}


def test_percentiles_are_over_all_values_of_the_features():
    features = np.arange(101, dtype=np.float32).reshape(1, 101, 1, 1)
    assert feature_percentiles(features) == {
        "percentile_1": 1.0,
        "percentile_20": 20.0,
        "percentile_80": 80.0,
        "percentile_99": 99.0,
    }
