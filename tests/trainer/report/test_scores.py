import json
from pathlib import Path

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


def test_without_a_comparison_the_text_says_which_command_makes_it(tmp_path):
    for table in (results.pairs, results.calibration, results.hardest):
        assert "python -m trainer.evaluate.comparison" in table(tmp_path)


def test_a_pair_that_differs_names_the_better_one_first(checkpoints):
    assert "Of 1 pairs, 1 differ" in results.conclusion(checkpoints)
    assert "`gn` over `bn`" in results.conclusion(checkpoints)


def test_unlike_budgets_are_said_to_be_unlike(checkpoints):
    assert "is not one of the norms" not in results.conclusion(checkpoints)
    path = checkpoints / "gn" / "report.json"
    path.write_text(path.read_text().replace('"epochs": 16', '"epochs": 6'))
    assert "is not one of the norms" in results.conclusion(checkpoints)


def test_the_study_of_norms_is_quoted_where_there_is_one(checkpoints):
    assert "several seeds" not in results.conclusion(checkpoints)
    result_file(checkpoints, "studies/norms.json").write_text('{"answer": "`bin` is best."}')
    assert "with several seeds: `bin` is best." in results.conclusion(checkpoints)


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
