import math

import pytest
from scipy import stats

from tests.study_tables import (
    FACTS,
    batch_runs,
    depth_runs,
    norm_runs,
    optimizer_runs,
    quantile_runs,
    rate_runs,
)
from trainer.report.studies import feature_quantiles_table
from trainer.studies.conclusions import ANSWERS, above_chance, answer, smallest_visible
from trainer.studies.spread import LEVEL, Spread, chosen, judge, spread_between
from trainer.studies.study import final_scores

CLOSE = [0.80, 0.805, 0.81]


def test_a_run_ends_with_its_last_val_and_one_that_diverged_without_a_number():
    runs = final_scores(depth_runs({("bn", 1): [0.4], ("nn", 5): [math.nan]}))
    assert runs.norm.tolist() == ["bn", "nn"]
    assert runs.accuracy.iloc[0] == 0.4
    assert math.isnan(runs.accuracy.iloc[1])


def test_two_settings_are_held_apart_as_by_students_test_and_several_as_by_tukeys():
    groups = {"a": [0.40, 0.41, 0.42], "b": [0.43, 0.45, 0.44], "c": [0.41, 0.42, 0.44]}
    two = {name: groups[name] for name in "ab"}
    p = spread_between(two).p(0.03, [3, 3])
    assert p == pytest.approx(stats.ttest_ind(*two.values()).pvalue)
    p = spread_between(groups).p(0.03, [3, 3], among=3)
    assert p == pytest.approx(stats.tukey_hsd(*groups.values()).pvalue[0, 1], rel=1e-3)


def test_the_smallest_visible_difference_is_seen_in_4_of_5_cases():
    spread = Spread(0.01, 28)
    shift = spread.visible([3, 3]) / (0.01 * math.sqrt(2 / 3))
    limit = stats.t.ppf(1 - LEVEL / 2, 28)
    assert stats.nct.sf(limit, 28, shift) == pytest.approx(0.8, abs=0.01)
    assert spread.visible([3, 3], among=7) > spread.visible([3, 3])


def test_single_runs_have_no_spread_and_tell_nothing_apart():
    spread = spread_between({"a": [0.4], "b": [0.9]})
    verdict = judge(0.5, spread, [1, 1])
    assert verdict.holds is None
    assert verdict.on_claim("that a is best") == "that a is best is undecided"


def test_no_difference_is_shown_only_where_one_that_matters_would_have_been_seen():
    assert judge(0.001, Spread(0.002, 20), [3, 3]).on_claim("It") == "It is not confirmed"
    assert judge(0.001, Spread(0.02, 20), [3, 3]).on_claim("It") == "It is undecided"
    assert judge(-0.1, Spread(0.02, 20), [3, 3]).on_claim("It") == "It is contradicted"
    assert judge(0.1, Spread(0.02, 20), [3, 3]).on_claim("It") == "It is confirmed"


def test_runs_that_all_end_alike_differ_by_chance_where_they_are_equal_only():
    spread = spread_between({"a": [0.04, 0.04], "b": [0.05, 0.05]})
    assert spread.p(0.0, [2, 2]) == 1
    assert spread.p(0.01, [2, 2]) == 0


def test_a_setting_is_judged_at_the_rate_that_was_repeated():
    cells = {("bn", 0.1): [0.8, 0.7, 0.7], ("bn", 0.2): [0.79], ("gn", 0.1): [0.5]}
    assert chosen(cells) == {"bn": ("bn", 0.1), "gn": ("gn", 0.1)}


@pytest.mark.parametrize("study", ANSWERS)
def test_a_study_that_is_not_complete_says_how_far_it_is_and_claims_nothing(study):
    tables = {
        "norms": norm_runs({"bn": [0.5]}),
        "learning-rate": rate_runs({("bn", 0.1): [0.5]}),
        "optimizers": optimizer_runs({("SGD", "triangular", 0.01): [0.5]}),
        "batch-size": batch_runs({("bn", 32, "both"): [0.5]}),
        "feature-quantiles": quantile_runs({"bn": [2.0]}),
        "depth": depth_runs({("bn", 1): [0.5]}),
    }
    told = answer(study, tables[study], FACTS | {"done": 1})
    assert told == (
        "No answer yet: 1 of at least 9 runs are done. The highest accuracy so far is 50.0%."
    )
    assert "the variation between seeds is unknown" in smallest_visible(study, tables[study])


def test_the_visible_difference_is_that_of_the_spread_between_seeds():
    told = smallest_visible("depth", depth_runs({("bn", 1): CLOSE, ("gn", 1): CLOSE}))
    assert "standard deviation is 0.5 points (pooled over 2 settings)" in told
    assert "With 3 runs of each, a difference of 1.5 points between two settings" in told


def test_the_best_norm_is_named_with_its_lead_and_the_reports_claims():
    cells = {"bin": [0.9, 0.905, 0.91], "bn": CLOSE, "torch-bn": CLOSE, "nn": [0.7, 0.705, 0.71]}
    told = answer("norms", norm_runs(cells), FACTS)
    assert told.startswith("`bin` is best with 90.5 ± 0.5% on test, +10.0 points from the next")
    assert "that `bin` is best is confirmed and its claim that `nn` is worst is confirmed" in told
    assert "`bn` is +0.0 points from `torch-bn` (not significant" in told
    told = answer("norms", norm_runs(cells | {"gn": [0.95, 0.951, 0.952]}), FACTS)
    assert "that `bin` is best is contradicted" in told


def test_the_best_rate_of_each_norm_is_named():
    cells = {("bn", 0.1): [0.8], ("bn", 0.2): [0.7], ("gn", 0.2): [0.75], ("gn", 0.1): [math.nan]}
    told = answer("learning-rate", rate_runs(cells), FACTS)
    assert told == ("Best on val are `bn` at 0.1 (80.0%), `gn` at 0.2 (75.0%), single runs each.")


REPORTS = ("SGD, momentum 0.9", "constant", 0.002)


def test_the_reports_findings_on_optimizers_are_judged_from_runs_at_its_settings():
    cells = {
        ("Adam", "cosine", 0.002): CLOSE,
        ("Adam", "triangular", 0.002): [0.9],
        ("SGD", "triangular", 1.0): [0.9, 0.905, 0.91],
        REPORTS: [0.3, 0.305, 0.31],
    }
    told = answer("optimizers", optimizer_runs(cells), FACTS)
    assert told.startswith("`SGD` at 1, triangular, is best with 90.5 ± 0.5% on val, +10.0 points")
    assert "that `Adam` is best is contradicted" in told
    assert "at 0.002 is the best of SGD is contradicted (30.5 ± 0.5%, -60.0 points" in told


def test_an_optimizer_that_diverged_is_never_the_best():
    cells = {
        ("SGD", "triangular", 1.0): [math.nan, 0.9],
        ("Adam", "triangular", 0.002): CLOSE,
        ("RMSprop", "triangular", 0.002): [0.7, 0.705, 0.71],
    }
    assert answer("optimizers", optimizer_runs(cells), FACTS).startswith("`Adam` at 0.002")


@pytest.mark.parametrize(
    ("bn", "gn", "verdict"),
    [
        ([0.6, 0.605, 0.61], CLOSE, "`gn`, is confirmed"),
        (CLOSE, [0.6, 0.605, 0.61], "`gn`, is contradicted"),
        ([0.8, 0.6, 0.7], [0.75, 0.7, 0.6], "`gn`, is undecided"),
    ],
)
def test_small_batches_are_judged_by_what_each_norm_loses_from_32(bn, gn, verdict):
    cells = {("bn", 32, "both"): CLOSE, ("gn", 32, "both"): CLOSE}
    cells |= {("bn", 2, "epochs"): bn, ("gn", 2, "epochs"): gn, ("bn", 8, "steps"): [0.1]}
    told = answer("batch-size", batch_runs(cells), FACTS)
    assert verdict in told
    assert "from batch 32 to 2 `bn` changes by" in told
    assert "to 8" not in told


def test_the_features_that_change_most_are_named_with_the_factor_of_the_table():
    growth = {"bn": [1.0, 1.1], "nn": [4.0, 4.2], "gn": [2.0, 2.1]}
    told = answer("feature-quantiles", quantile_runs(growth), FACTS)
    assert "of 4.10 with `nn`, the largest, and of 1.05 with `bn`, the smallest" in told
    table = feature_quantiles_table(quantile_runs(growth), FACTS)
    assert "4.10" in table
    assert "1.05" in table
    assert " significant, p = " in told.replace("(", " ")


def test_guessing_and_divergence_are_not_learning():
    assert not above_chance(0.04, FACTS)
    assert not above_chance(0.05, FACTS)
    assert not above_chance(math.nan, FACTS)
    assert above_chance(0.08, FACTS)


def test_training_stops_at_the_first_depth_where_no_run_learns():
    cells = {("nn", 2): [0.3, 0.3], ("nn", 3): [math.nan, 0.04], ("nn", 5): [0.04, 0.04]}
    told = answer("depth", depth_runs(cells | {("bn", 3): [0.5, 0.6]}), FACTS)
    assert told.startswith("Without a norm training stops at n = 3 (20 layers): none of 2 runs")
    assert "where `bn` reaches 55.0 ± 7.1%" in told


def test_a_single_run_that_learns_is_no_depth_that_trains():
    cells = {("nn", 3): [0.2, 0.3], ("nn", 5): [0.04, 0.08, 0.04], ("bn", 5): [0.5]}
    told = answer("depth", depth_runs(cells), FACTS)
    assert "stops at n = 5 (32 layers): 1 of 3 runs there is better than guessing" in told


def test_where_training_never_stops_the_deepest_networks_are_compared():
    cells = {("nn", 1): [0.3, 0.3], ("nn", 5): [0.2, 0.21], ("bn", 5): [0.5, 0.51]}
    told = answer("depth", depth_runs(cells), FACTS)
    assert "up to n = 5 (32 layers) still train" in told
    assert "`nn` reaches 20.5 ± 0.7%, -30.0 points from `bn` with 50.5 ± 0.7%" in told
    assert " significant, p = " in told.replace("(", " ")
