import json
from pathlib import Path

from tests.measurements import result_file
from trainer.report.ood import matters, prediction_sets, robustness, scores, strangers


def score(value: float) -> dict:
    auroc = {"value": value, "low": value - 0.02, "high": value + 0.02}
    return {"no bird": {"auroc": auroc, "falsely_accepted": 0.4}}


def write(folder: Path) -> None:
    held = {"coverage": 0.951, "size": 1.25, "single": 0.8, "species_coverage": [0.98, 0.9]}
    report = {
        "species": ["House-Crow", "Sarus-Crane"],
        "novelty": {"threshold": 1.0, "accepted": {"val": 0.95, "test": 0.944}},
        "prediction_sets": {"0.95": held},
    }
    (folder / "bn").mkdir()
    (folder / "bn" / "report.json").write_text(json.dumps(report))
    found = {
        "photos": {"no bird": 235},
        "variants": {"bn": score(0.9)},
        "chosen_with": {"no bird": 236},
        "scores": {
            "bn": {"no bird": {"energy": 0.8, "novelty": 0.91}},
            "in": {"no bird": {"energy": 0.9, "novelty": 0.92}},
        },
    }
    result_file(folder, "ood.json").write_text(json.dumps(found))


def test_the_table_says_what_is_let_through(tmp_path: Path):
    write(tmp_path)
    table = strangers(tmp_path)
    assert "235 of no bird" in table
    for cell in ("94.4", "90.0 (88.0 to 92.0)", "40.0"):
        assert cell in table


def test_where_nothing_was_measured_the_command_is_named(tmp_path: Path):
    assert "trainer.evaluate.ood" in strangers(tmp_path)


def test_the_scores_stand_below_one_another_the_best_on_the_whole_first(tmp_path: Path):
    write(tmp_path)
    table = scores(tmp_path)
    assert "236 of no bird" in table
    assert table.index("**novelty**") < table.index("energy")
    for cell in ("80.0", "90.0", "91.5"):
        assert cell in table


def test_poorer_photos_are_told_beside_those_that_are_as_they_are(tmp_path: Path):
    assert "trainer.evaluate.robustness" in robustness(tmp_path)
    changes = [("none", 0, 0.9, 0.95), ("JPEG quality", 30, 0.8, 0.85), ("side", 48, 0.7, 0.75)]
    names = ("change", "degree", "accuracy", "accepted")
    rows = [dict(zip(names, change, strict=True)) for change in changes]
    result_file(tmp_path, "robustness.json").write_text(
        json.dumps({"photos": 500, "variants": {"bn": rows}})
    )
    table = robustness(tmp_path)
    for cell in ("as they are", "JPEG 30", "48 px", "95.0 / 90.0", "75.0 / 70.0"):
        assert cell in table


def test_of_the_best_and_the_worst_no_more_is_said_than_whether_their_intervals_overlap():
    unlike = matters({"bn": score(0.8), "in": score(0.9)}, "no bird")
    assert "`in` is best" in unlike
    assert unlike.endswith("the intervals do not overlap.")
    assert "chance" not in unlike
    assert "leaves open" in matters({"bn": score(0.88), "in": score(0.9)}, "no bird")


def test_sets_are_told_with_the_species_that_they_hold_least(tmp_path: Path):
    write(tmp_path)
    table = prediction_sets(tmp_path)
    for cell in ("95.1%", "1.25", "Sarus Crane, 90%"):
        assert cell in table
