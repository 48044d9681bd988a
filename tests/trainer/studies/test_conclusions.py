import math

import pytest

from tests.study_tables import FACTS, batch_runs, depth_runs, optimizer_runs, quantile_runs
from trainer.studies.conclusions import (
    ANSWERS,
    LEVEL,
    against,
    chance,
    each_other,
    endings,
    learned,
    welch,
)


def test_a_run_ends_with_its_last_val_and_one_that_diverged_without_a_number():
    runs = endings(depth_runs({("bn", 1): [0.4], ("nn", 5): [math.nan]}))
    assert runs.norm.tolist() == ["bn", "nn"]
    assert runs.accuracy.iloc[0] == 0.4
    assert math.isnan(runs.accuracy.iloc[1])


def test_welchs_test_says_nothing_of_single_runs_and_finds_plain_differences():
    assert math.isnan(welch([0.4], [0.2, 0.3]))
    assert welch([0.40, 0.41, 0.39], [0.20, 0.21, 0.22]) < 0.001
    assert welch([0.40, 0.30, 0.50], [0.45, 0.35, 0.41]) > 0.5
    assert welch([0.04, 0.04], [0.04, 0.04]) == 1
    assert welch([0.04, 0.04], [0.05, 0.05]) == 0


def test_chance_is_corrected_over_all_pairs_that_were_looked_through():
    few = {"a": [0.40, 0.41, 0.42], "b": [0.43, 0.44, 0.45]}
    plain = welch(few["a"], few["b"])
    assert plain < LEVEL
    assert each_other(few) == {("a", "b"): plain}
    many = few | {"c": [0.41, 0.42, 0.44]} | {"single": [0.5]}
    chances = each_other(many)
    assert chances["a", "b"] == pytest.approx(3 * plain)
    assert math.isnan(chances["a", "single"])
    assert "no difference shown, Welch's t-test with Holm's correction over 3 pairs" in chance(
        ("a", "b"), chances
    )
    assert against(few, {"b": few["b"]}) == {("a", "b"): plain}


def test_the_best_of_many_settings_is_not_called_better_for_being_the_best_of_many():
    chosen, adam = ("SGD, momentum 0.9", 0.002), ("Adam", 0.01)
    few = {("SGD", 0.2): [0.33, 0.34, 0.35], chosen: [0.3, 0.31, 0.32], adam: [0.4, 0.41, 0.42]}
    told = ANSWERS["optimizers"](optimizer_runs(few), FACTS)
    assert "points from the report's choice (more than chance" in told
    many = few | {("SGD", rate): [0.3, 0.31, 0.32] for rate in (1e-4, 1e-3, 1e-2)}
    told = ANSWERS["optimizers"](optimizer_runs(many), FACTS)
    assert "choice (no difference shown, Welch's t-test with Holm's correction over 4" in told


def test_the_norms_that_grow_most_and_least_are_the_extremes_of_all_pairs():
    few = {"bn": [1.0, 1.1, 1.2], "nn": [1.3, 1.4, 1.5]}
    assert "more than chance" in ANSWERS["feature-quantiles"](quantile_runs(few), FACTS)
    many = few | {norm: [1.15, 1.25, 1.35] for norm in ("gn", "in", "ln")}
    told = ANSWERS["feature-quantiles"](quantile_runs(many), FACTS)
    assert "no difference shown, Welch's t-test with Holm's correction over 10 pairs" in told


@pytest.mark.parametrize("study", ANSWERS)
def test_a_study_that_has_barely_begun_says_so(study):
    tables = {
        "optimizers": optimizer_runs({("SGD", 0.01): [0.1]}),
        "batch-size": batch_runs(0.5, {"bn": [0.1]}),
        "feature-quantiles": quantile_runs({"bn": [2.0]}),
        "depth": depth_runs({("bn", 1): [0.3]}),
    }
    assert ANSWERS[study](tables[study], FACTS) == "Not enough runs yet."


def test_the_reports_findings_on_optimizers_are_confirmed_where_they_hold():
    chosen, adam = ("SGD, momentum 0.9", 0.002), ("Adam", 0.01)
    told = ANSWERS["optimizers"](
        optimizer_runs({("SGD", 0.2): [0.1, 0.11], chosen: [0.3, 0.31], adam: [0.4, 0.41]}), FACTS
    )
    assert told.startswith(
        "That `SGD, momentum 0.9` at 0.002 is the best of SGD holds, and that `Adam` is the best "
        "of all holds: `SGD, momentum 0.9` at 0.002 has 30.5% on val; "
    )
    assert "`Adam` at its best rate, 0.01, has 40.5%, +10.0 points from the best of the" in told
    assert "more than chance" in told


def test_the_reports_findings_on_optimizers_are_refuted_where_they_do_not_hold():
    chosen, adam = ("SGD, momentum 0.9", 0.002), ("Adam", 0.01)
    cells = {("SGD", 0.2): [0.5, 0.51], chosen: [0.3, 0.31], adam: [0.4, 0.6]}
    told = ANSWERS["optimizers"](optimizer_runs(cells), FACTS)
    assert "the best of SGD does not hold, and that `Adam` is the best of all is not shown" in told
    assert "`SGD` at 0.2 has 50.5% on val, +20.0 points from the report's choice (more" in told
    assert "-0.5 points from the best of the others, `SGD` at 0.2 (no difference" in told
    single = {cell: accuracies[:1] for cell, accuracies in cells.items()}
    assert "is not known" in ANSWERS["optimizers"](optimizer_runs(single), FACTS)


def test_a_setting_that_diverged_is_never_the_best():
    cells = {
        ("SGD", 0.2): [math.nan, 0.9],
        ("SGD, momentum 0.9", 0.002): [0.3, 0.31],
        ("Adam", 0.01): [0.4, 0.41],
    }
    told = ANSWERS["optimizers"](optimizer_runs(cells), FACTS)
    assert "is the best of SGD holds" in told


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"bn": [-0.2, -0.21, -0.19], "gn": [0.0, 0.01, -0.01]}, "as Wu and He 2018 found"),
        ({"gn": [-0.2, -0.21, -0.19], "bn": [0.0, 0.01, -0.01]}, "against Wu and He 2018"),
        ({"bn": [-0.1, 0.1, 0.0], "gn": [0.05, -0.1, 0.06]}, "or less, is not shown"),
        ({"bn": [-0.2], "gn": [0.0]}, "is not known"),
    ],
)
def test_small_batches_are_judged_by_the_change_from_32_and_its_spread(changes, verdict):
    assert verdict in ANSWERS["batch-size"](batch_runs(0.5, changes), FACTS)


def test_seeds_with_a_diverged_run_are_left_out_of_small_batches_and_that_is_said():
    changes = {"bn": [-0.2, -0.21, -0.19], "gn": [0.0, 0.01, -0.01]}
    table = batch_runs(0.5, changes)
    lost = (table.norm == "bn") & (table.seed == 0) & (table.batch_size == 8)
    table.loc[lost & (table.equal == "steps") & (table.rate == "scaled"), "loss"] = math.nan
    told = ANSWERS["batch-size"](table, FACTS)
    assert "`bn` changes by -20.0 points and `gn` by +0.0" in told
    assert "seeds of 1 runs that diverged are left out" in told
    table.loc[table.norm == "bn", "loss"] = math.nan
    assert "diverged: too few are left" in ANSWERS["batch-size"](table, FACTS)


def test_seeds_are_compared_with_themselves():
    # The seeds differ by far more than batches do.
    changes = {"bn": [-0.05, -0.051, -0.052], "gn": [0.0, 0.001, -0.001]}
    told = ANSWERS["batch-size"](batch_runs(0.5, changes), FACTS)
    assert "as Wu and He 2018 found: from batch 32 to 8 `bn` changes by -5.1 points and" in told


def test_the_features_that_grow_most_are_named_with_their_factor():
    told = ANSWERS["feature-quantiles"](
        quantile_runs({"bn": [1.0, 1.1], "nn": [4.0, 4.2], "gn": [2.0, 2.1]}), FACTS
    )
    assert "most with `nn`, to 4.10 times, and least with `bn`, to 1.05 times" in told
    assert "more than chance" in told


def test_guessing_and_divergence_are_not_learning():
    assert not learned(0.04, FACTS)
    assert not learned(0.05, FACTS)
    assert not learned(math.nan, FACTS)
    assert learned(0.08, FACTS)


def test_training_stops_at_the_first_depth_where_no_run_learns():
    cells = {("nn", 2): [0.3, 0.3], ("nn", 3): [math.nan, 0.04], ("nn", 5): [0.04, 0.04]}
    told = ANSWERS["depth"](depth_runs(cells | {("bn", 3): [0.5, 0.6]}), FACTS)
    assert told.startswith("Without a norm training stops at n = 3 (20 layers): none of its 2")
    assert "the others reach up to 60.0%" in told


def test_a_single_run_that_learns_is_no_depth_that_trains():
    cells = {("nn", 3): [0.2, 0.3], ("nn", 5): [0.04, 0.08, 0.04], ("bn", 5): [0.5]}
    told = ANSWERS["depth"](depth_runs(cells), FACTS)
    assert "stops at n = 5 (32 layers): 1 of its 3 runs there is better than guessing" in told


def test_a_first_run_without_a_norm_is_told_of():
    told = ANSWERS["depth"](depth_runs({("bn", 1): [0.3], ("nn", 1): [0.2]}), FACTS)
    assert "up to n = 1 (8 layers) still train: there they reach 20.0%, and `bn` 30.0%" in told


def test_where_training_never_stops_the_deepest_networks_are_compared():
    cells = {("nn", 1): [0.3, 0.3], ("nn", 5): [0.2, 0.21], ("bn", 5): [0.5, 0.51]}
    told = ANSWERS["depth"](depth_runs(cells), FACTS)
    assert "up to n = 5 (32 layers) still train" in told
    assert "they reach 20.5%, and `bn` 50.5% (more than chance" in told
