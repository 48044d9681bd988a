import json
import math

import pandas as pd
import pytest

from tests.measurements import result_file
from trainer.report import recipe as results_recipe


def test_each_change_of_the_recipe_has_its_last_val_score(tmp_path):
    result_file(tmp_path, "studies/recipe.csv").write_text(
        "seed,label_smoothing,epoch,split,loss,accuracy\n"
        "0,0.1,1,val,2.0,0.3\n0,0.1,2,val,1.0,0.75\n1,0.1,2,val,1.1,0.76\n0,0.0,2,val,1.2,0.7\n"
        "0,0.3,1,train,,\n"
    )
    lines = results_recipe.ablation("recipe", tmp_path).splitlines()
    cells = [[cell.strip() for cell in line.split("|")[1:4]] for line in lines[-4:]]
    assert cells[:3] == [
        ["seed 1", "76.0", "1.100"],
        ["none", "75.0", "1.000"],
        ["label smoothing 0.0", "70.0", "1.200"],
    ]
    assert cells[3] == ["label smoothing 0.3", "diverged", ""]


def test_each_norms_best_learning_rate_is_bold_and_a_diverged_run_said(tmp_path):
    result_file(tmp_path, "studies/learning-rate.csv").write_text(
        "norm,peak_learning_rate,epoch,split,accuracy\n"
        "bn,0.1,1,val,0.9\nbn,0.1,2,val,0.5\nbn,0.2,2,val,0.62\n"
        "nn,0.1,2,val,0.4\nnn,0.2,1,val,0.1\nnn,0.2,2,train,\n"
        "gn,0.2,2,val,0.3\n"
    )
    table = results_recipe.learning_rates(tmp_path).splitlines()
    rows = {line.split("|")[1].strip(): line.split("|")[2:-1] for line in table[4:7]}
    cells = {name: [cell.strip() for cell in row] for name, row in rows.items()}
    assert cells == {
        "`bn`": ["50.0", "**62.0**"],
        "`gn`": ["", "**30.0**"],
        "`nn`": ["**40.0**", "diverged"],
    }


@pytest.mark.parametrize(("photos", "found"), [(1000, True), (10, False)])
def test_another_learning_rate_is_named_where_it_is_better_by_more_than_chance(
    tmp_path, photos, found
):
    accuracies = pd.DataFrame({0.1: {"bn": 0.8, "gn": 0.7}, 0.2: {"bn": 0.75, "gn": 0.69}})
    for norm in ("bn", "gn", "mine"):
        (tmp_path / norm).mkdir()
        report = {
            "recipe": {"norm": norm, "learning_rate": 0.2},
            "photos": {"val": {"count": photos}},
        }
        (tmp_path / norm / "report.json").write_text(json.dumps(report))
    tried = {(norm, rate) for norm in accuracies.index for rate in accuracies}
    sentence = results_recipe.better_rates(accuracies, tried, tmp_path)
    assert ("`bn` at 0.1 instead of 0.2 (+5.0 points, standard error 1.9)" in sentence) == found
    assert "gn" not in sentence
    assert sentence.startswith("No variant") == (not found)


def test_a_shipped_rate_at_which_a_norm_diverges_is_worse_than_any_other(tmp_path):
    accuracies = pd.DataFrame({0.1: {"nn": 0.4}, 0.2: {"nn": math.nan}})
    (tmp_path / "nn").mkdir()
    report = {"recipe": {"norm": "nn", "learning_rate": 0.2}, "photos": {"val": {"count": 10}}}
    (tmp_path / "nn" / "report.json").write_text(json.dumps(report))
    tried = {("nn", 0.1), ("nn", 0.2)}
    said = results_recipe.better_rates(accuracies, tried, tmp_path)
    assert "`nn` at 0.1 instead of 0.2, which diverged" in said
    assert results_recipe.better_rates(accuracies, {("nn", 0.1)}, tmp_path).startswith("No variant")


def test_a_table_that_is_missing_is_named_with_its_command(tmp_path):
    assert "trainer.studies learning-rate" in results_recipe.learning_rates(tmp_path)
    assert "trainer.studies recipe" in results_recipe.ablation("recipe", tmp_path)
