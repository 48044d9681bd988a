import json
from pathlib import Path

import pandas as pd
import pytest

from tests.measurements import result_file
from trainer.report import scores as results


def write_report(folder: Path, accuracy: float) -> None:
    value = {"value": accuracy, "low": accuracy - 0.02, "high": accuracy + 0.02}
    scores = {"accuracy": value, "micro_f1": value, "macro_f1": value}
    report = {
        "metrics": dict.fromkeys(("train", "val", "test"), scores),
        "parameters": 1234,
        "seconds": 600,
        "recipe": {"image_size": 96, "epochs": 16},
        "machines": [{"processor": "P", "cores": 4, "gpu": "G"}, {"processor": "Q", "cores": 2}],
    }
    folder.mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps(report))


def write_comparison(folder: Path) -> None:
    variant = {
        "accuracy": {"value": 0.75, "low": 0.7, "high": 0.8},
        "milliseconds": 8.2,
        "calibration_error": {"before": 0.1, "after": 0.021},
        "confusion": [[3, 1], [0, 4]],
        "recall": [0.75, 1.0],
    }
    pairs = [
        {"a": "bn", "b": "gn", "only_a_right": 2, "only_b_right": 40, "p": 1e-9, "p_holm": 1e-9}
    ]
    sanity = {"steps": 9, "largest_difference": 3e-7}
    comparison = {
        "species": ["Jay-Blue", "Owl"],
        "variants": {"bn": variant, "gn": variant, "consensus": variant},
        "pairs": pairs,
        "sanity": sanity,
    }
    result_file(folder, "comparison.json").write_text(json.dumps(comparison))


def write_seeds(folder: Path, gn_seeds: int, gn: float = 0.8) -> None:
    rows = []
    for norm, base, count in (("bn", 0.7, 2), ("gn", gn, gn_seeds)):
        for seed in range(count):
            run = {"norm": norm, "seed": seed, "epoch": 6}
            rows.append(run | {"split": "train", "accuracy": 0.1, "seconds": 120})
            rows.append(run | {"split": "test", "accuracy": base + seed / 50})
    pd.DataFrame(rows).to_csv(result_file(folder, "studies/norms.csv"), index=False)


@pytest.fixture
def checkpoints(tmp_path):
    """Two variants, compared."""
    write_report(tmp_path / "bn", 0.8612)
    write_report(tmp_path / "gn", 0.85)
    write_comparison(tmp_path)
    return tmp_path


def test_scores_have_a_row_for_each_report_with_its_intervals(checkpoints):
    table = results.scores(checkpoints)
    assert "| `bn`" in table
    assert "86.1 (84.1 to 88.1)" in table
    assert "1,234" in table
    *rows, last = table.splitlines()
    assert len(rows) == 5
    assert "do not compare norms" in last
    assert len(results.all_splits(checkpoints).splitlines()) == 2 + 2 * 3


def test_the_reports_numbers_stand_beside_ours_where_we_have_them(checkpoints):
    lines = results.beside_the_report(checkpoints).splitlines()
    (own,) = [line for line in lines if "| `bn`" in line]
    assert "63.2" in own
    assert "86.1" in own
    assert len(lines) == 2 + 7


def test_without_a_comparison_or_a_study_the_text_says_which_command_makes_it(tmp_path):
    for table in (results.pairs, results.calibration, results.hardest):
        assert "python -m trainer.evaluate.comparison" in table(tmp_path)
    assert "python -m trainer.studies norms" in results.over_seeds(tmp_path)


def test_seeds_are_summed_up_best_variant_first(checkpoints):
    write_seeds(checkpoints, gn_seeds=2)
    lines = results.over_seeds(checkpoints).splitlines()
    assert lines[0] == "Each run has 6 epochs."
    assert [line.split("|")[1].strip() for line in lines[-2:]] == ["`gn`", "`bn`"]
    assert [cell.strip() for cell in lines[-1].split("|")[2:6]] == ["2", "71.0", "1.4", "2"]


def test_a_pair_that_differs_names_the_better_one_first(checkpoints):
    assert "Of 1 pairs, 1 differ" in results.conclusion(checkpoints)
    assert "`gn` over `bn`" in results.conclusion(checkpoints)


def test_unlike_budgets_are_said_to_be_unlike(checkpoints):
    assert "like with like" not in results.conclusion(checkpoints)
    path = checkpoints / "gn" / "report.json"
    path.write_text(path.read_text().replace('"epochs": 16', '"epochs": 6'))
    assert "like with like" in results.conclusion(checkpoints)


def test_single_seeds_are_not_called_a_spread(checkpoints):
    write_seeds(checkpoints, gn_seeds=1)
    assert "how much of a gap is chance is not known" in results.conclusion(checkpoints)


@pytest.mark.parametrize(
    ("gn", "said"),
    [
        (0.8, "1 are told apart (Welch's t-test over seeds, Holm's correction, 5%): `gn` over"),
        (0.71, "0 are told apart (Welch's t-test over seeds, Holm's correction, 5%)."),
    ],
)
def test_gaps_are_tested_over_seeds(checkpoints, gn, said):
    write_seeds(checkpoints, 2, gn)
    told = results.conclusion(checkpoints)
    assert f"over 2 seeds, `gn` leads with {100 * gn + 1:.1f}%. Of 1 pairs, {said}" in told


def test_variants_are_told_apart_only_after_holms_correction(checkpoints):
    one = [0.40, 0.41, 0.42]
    few = {"bn": [0.43, 0.44, 0.45], "gn": one}
    assert "1 are told apart" in results.leading(few)
    assert "0 are told apart" in results.leading(few | {"ln": [0.40, 0.42, 0.44], "nn": one})


def test_runs_over_seeds_that_diverged_are_counted_and_named(checkpoints):
    write_seeds(checkpoints, gn_seeds=2)
    path = result_file(checkpoints, "studies/norms.csv")
    path.write_text(path.read_text() + "gn,2,3,train,,5\nnn,0,1,train,,5\n")
    table = results.over_seeds(checkpoints)
    assert table.startswith(
        "Each run has 6 epochs. Diverged, and without a score: `gn` with seed 2, `nn` with seed 0."
    )
    cells = [[cell.strip() for cell in line.split("|")[1:5]] for line in table.splitlines()[-3:]]
    assert cells[0] == ["`gn`", "2, 1 diverged", "81.0", "1.4"]
    assert cells[2] == ["`nn`", "0, 1 diverged", "", ""]
    assert "score: `gn` with seed 2, `nn` with seed 0." in results.conclusion(checkpoints)


def test_an_order_like_the_reports_is_claimed_only_where_its_correlation_is_no_chance(tmp_path):
    theirs = ["bin", "in", "torch-bn", "ln", "gn", "bn", "nn"]
    for place, name in enumerate(theirs):
        write_report(tmp_path / name, 0.9 - place / 100)
    assert "agrees with the report's is shown" in results.conclusion(tmp_path)
    for place, name in enumerate(sorted(theirs)):
        path = tmp_path / name / "report.json"
        path.unlink()
        path.parent.rmdir()
        write_report(path.parent, 0.9 - place / 100)
    told = results.conclusion(tmp_path)
    assert "agrees with the report's is not shown: their rank correlation" in told


def test_the_sanity_check_says_in_which_precision_its_losses_are(checkpoints):
    assert "the loss itself in float32" in results.conclusion(checkpoints)


def test_the_hardest_species_come_with_what_they_are_taken_for(checkpoints):
    table = results.hardest(checkpoints)
    assert "of 4 test photos each" in table
    assert "Owl (1)" in table.splitlines()[4]
