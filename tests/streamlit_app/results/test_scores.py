import json
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pytest

from streamlit_app.batch import open_variant
from streamlit_app.results import scores as results
from streamlit_app.results.comparison import outdated, pair_grid, pair_tests, read_comparison
from streamlit_app.results.reading import ResultsError, read_reports
from streamlit_app.results.scores import rank_variants
from tests.conftest import colour_checkpoint
from tests.measurements import (
    SEVEN,
    draw_comparison,
    result_file,
    write_report,
    write_results,
    write_short_runs,
)
from trainer.verdicts import VERDICTS

COMPARISON = draw_comparison(("bn", "gn", "nn"))


def compared(pairs: list[tuple[str, str, int, int, float]]) -> dict:
    names = ("a", "b", "only_a_right", "only_b_right", "p_holm")
    rows = [{"p": 0.0, **dict(zip(names, p, strict=True))} for p in pairs]
    return VERDICTS["comparison"](COMPARISON | {"pairs": rows})


def test_an_empty_folder_has_no_results_and_no_faults(tmp_path: Path) -> None:
    assert read_reports(tmp_path) == ({}, [])
    assert read_comparison(tmp_path) is None
    assert results.read_short_runs(tmp_path).empty
    assert results.read_histories(tmp_path, []).empty


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"variants": {}}', '{"species": ["a"], "variants": {"bn": {}}, "pairs": []}'],
)
def test_a_damaged_comparison_says_which_command_makes_it(tmp_path: Path, text: str) -> None:
    result_file(tmp_path, "comparison.json").write_text(text)
    with pytest.raises(ResultsError, match="python -m trainer.evaluate.comparison --data PHOTOS"):
        read_comparison(tmp_path)


def test_a_comparison_of_other_species_than_its_matrices_is_damaged(tmp_path: Path) -> None:
    result_file(tmp_path, "comparison.json").write_text(
        json.dumps(COMPARISON | {"species": ["one"]})
    )
    with pytest.raises(ResultsError):
        read_comparison(tmp_path)


@pytest.mark.parametrize("text", ["", "epoch\n1\n", "\x00\x01"])
def test_a_damaged_table_is_named(tmp_path: Path, text: str) -> None:
    write_results(tmp_path, ["bn"])
    (tmp_path / "bn" / "history.csv").write_text(text)
    with pytest.raises(ResultsError, match="bn/history.csv"):
        results.read_histories(tmp_path, ["bn"])
    result_file(tmp_path, "studies/norms.csv").write_text(text)
    with pytest.raises(ResultsError, match=r"studies/norms.csv.*trainer.studies norms"):
        results.read_short_runs(tmp_path)


def test_a_history_is_read_for_each_variant_that_has_one(tmp_path: Path) -> None:
    write_report(tmp_path / "bn")
    write_report(tmp_path / "gn")
    (tmp_path / "gn" / "history.csv").unlink()
    histories = results.read_histories(tmp_path, ["bn", "gn"])
    assert set(histories.variant) == {"bn"}
    assert len(histories) == 8  # four epochs of two splits


def test_only_finished_short_runs_count_and_take_the_minutes_of_all_their_epochs(
    tmp_path: Path,
) -> None:
    write_short_runs(tmp_path, {"bn": [0.7, 0.8], "gn": [0.6]})
    file = result_file(tmp_path, "studies/norms.csv")
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:-1]))  # gn's only run has not been tested yet
    runs = results.read_short_runs(tmp_path)
    assert runs.variant.tolist() == ["bn", "bn"]
    assert runs.accuracy.tolist() == [0.7, 0.8]
    assert runs.minutes.tolist() == [20, 20]  # two epochs, train and val, 300 seconds each
    assert results.short_budget(runs) == "2 seeds a variant, 2 epochs, about 20 minutes each"


def test_the_summary_has_each_variant_and_the_consensus_with_the_cost_of_all(
    tmp_path: Path,
) -> None:
    comparison = write_results(tmp_path, ["bn", "gn"])
    reports, _ = read_reports(tmp_path)
    table = results.summary(reports, results.read_short_runs(tmp_path), comparison)
    table = table.set_index("variant")
    assert list(table.index) == ["bn", "gn", "consensus"]
    accuracy = comparison["variants"]["gn"]["accuracy"]["value"]
    assert table.test_accuracy["gn"] == pytest.approx(accuracy)
    assert table.seeds_accuracy["gn"] == pytest.approx(accuracy - 0.02)
    assert table.seeds_deviation["gn"] == pytest.approx(0.01)
    assert table.parameters.tolist() == [176_233, 176_233, 2 * 176_233]
    assert table.minutes.tolist() == [30, 30, 60]
    assert np.isnan(table.val_accuracy["consensus"])
    error = comparison["variants"]["consensus"]["calibration_error"]["after"]
    assert table.calibration_error["consensus"] == error


def test_the_summary_of_reports_alone_leaves_out_what_was_not_measured(tmp_path: Path) -> None:
    write_report(tmp_path / "bn", 0.87)
    reports, _ = read_reports(tmp_path)
    shown = results.readable_summary(results.summary(reports, results.NO_SHORT_RUNS, None))
    (row,) = shown.to_dict("records")
    assert row["accuracy on test, %"] == "87.0 (85.0 to 89.0)"
    assert not {"seeds on test, %", "answer, ms", "calibration error, points"} & set(row)


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    write_report(tmp_path / "bn")
    write_report(tmp_path / "gn")
    write_short_runs(tmp_path, {"bn": [0.7], "gn": [0.6, 0.62, 0.64]})
    reports, _ = read_reports(tmp_path)
    table = results.summary(reports, results.read_short_runs(tmp_path), None)
    shown = results.readable_summary(table)["seeds on test, %"]
    assert shown.tolist() == ["70.0 (1 seed)", "62.0 ± 2.0 (3 seeds)"]


def test_a_comparison_of_other_weights_is_outdated(tmp_path: Path) -> None:
    comparison = write_results(tmp_path, ["bn", "gn"])
    reports, _ = read_reports(tmp_path)
    assert outdated(tmp_path, reports, comparison) == ([], [])
    (tmp_path / "gn" / "model.onnx").write_bytes(b"other weights of the same accuracy")
    write_report(tmp_path / "nn")
    reports, _ = read_reports(tmp_path)
    assert outdated(tmp_path, reports, comparison) == (["nn"], ["gn"])


def test_a_lead_is_in_shares_of_photos_and_signed() -> None:
    pairs = pair_tests(compared([("bn", "gn", 3, 15, 0.04), ("bn", "nn", 9, 8, 1.0)]))
    assert pairs["lead"].tolist() == [-12 / COMPARISON["photos"], 1 / COMPARISON["photos"]]
    assert pairs.differ.tolist() == [True, False]


def test_the_budget_is_the_recipes(tmp_path: Path) -> None:
    write_report(tmp_path / "bn")
    reports, _ = read_reports(tmp_path)
    assert results.budget(reports) == "4 epochs at 96 px"
    longer = {"gn": {"recipe": {"epochs": 9, "image_size": 96}}}
    assert results.budget({**reports, **longer}) == "4 to 9 epochs at 96 px"


def test_all_seven_can_be_summarised(tmp_path: Path) -> None:
    comparison = write_results(tmp_path)
    reports, _ = read_reports(tmp_path)
    table = results.summary(reports, results.read_short_runs(tmp_path), comparison)
    assert table.variant.tolist() == [*SEVEN, "consensus"]


def test_full_runs_say_once_what_they_were_trained_on_where_reports_do() -> None:
    gpu, processor = {"processor": "P", "cores": 9, "gpu": "G"}, {"processor": "Q", "cores": 2}
    reports = {"bn": {"machines": [gpu]}, "gn": {"machines": [gpu, processor]}, "in": {}}
    assert results.machines(reports) == "trained on G and Q"
    assert results.machines({"in": {}}) == ""


def test_runs_of_another_length_or_photo_size_are_not_alike() -> None:
    def report(epochs: int, size: int) -> dict:
        return {"recipe": {"epochs": epochs, "image_size": size}}

    assert results.same_budget({"bn": report(16, 96), "gn": report(16, 96)})
    assert not results.same_budget({"bn": report(16, 96), "gn": report(6, 96)})
    assert not results.same_budget({"bn": report(16, 96), "gn": report(16, 64)})


@pytest.fixture
def measured(tmp_path: Path) -> dict[str, alt.LayerChart]:
    """Every chart of the results of all seven."""
    comparison = write_results(tmp_path)
    reports, _ = read_reports(tmp_path)
    runs = results.read_short_runs(tmp_path)
    histories = results.read_histories(tmp_path, reports)
    return {
        "accuracy": results.accuracy_intervals(
            results.summary(reports, runs, comparison), runs, str(comparison["photos"])
        ),
        "pairs": pair_grid(pair_tests(comparison), SEVEN),
        "train": results.learning_curves(histories, "train", "accuracy"),
        "loss": results.learning_curves(histories, "val", "loss"),
    }


def encodings(spec: dict[str, Any]) -> list[dict[str, Any]]:
    return [layer["encoding"] for layer in spec.get("layer", [spec])]


def test_every_chart_has_a_title_and_says_what_its_axes_measure(
    measured: dict[str, alt.LayerChart],
) -> None:
    for name, chart in measured.items():
        spec = chart.to_dict()
        assert spec["title"]["text"], name
        for encoding in encodings(spec):
            quantities = [encoding[axis] for axis in "xy" if "type" in encoding[axis]]
            for axis in quantities:
                assert axis["type"] == "nominal" or axis["title"], name


def test_train_and_val_are_drawn_on_one_scale(measured: dict[str, alt.LayerChart]) -> None:
    for name, domain in {"train": [0, 1], "loss": [0, 3]}.items():
        for encoding in encodings(measured[name].to_dict()):
            assert encoding["y"]["scale"]["domain"] == domain


def test_the_learning_curves_hold_only_their_split(measured: dict[str, alt.LayerChart]) -> None:
    datasets = measured["train"].to_dict()["datasets"].values()
    assert {row["split"] for rows in datasets for row in rows} == {"train"}


def test_a_pair_is_in_the_grid_twice_with_opposite_leads(
    measured: dict[str, alt.LayerChart],
) -> None:
    (rows,) = measured["pairs"].to_dict()["datasets"].values()
    points = {(row["a"], row["b"]): row["points"] for row in rows}
    assert len(points) == 7 * 6
    assert all(points[b, a] == -lead for (a, b), lead in points.items())
    results = {(row["a"], row["b"]): row["result"] for row in rows}
    opposite = {"row ahead": "row behind", "row behind": "row ahead"}
    assert all(
        results[b, a] == opposite.get(result, "not significant")
        for (a, b), result in results.items()
    )


NAMES = dict.fromkeys(("bn", "in", "gn"))


def test_the_most_accurate_on_val_comes_first_and_the_others_keep_their_order(
    tmp_path: Path,
) -> None:
    for name, accuracy in {"bn": 0.7, "in": 0.6, "gn": 0.9}.items():
        (tmp_path / name).mkdir()
        write_report(tmp_path / name, accuracy)
    assert list(rank_variants(NAMES, tmp_path)) == ["gn", "bn", "in"]


def test_a_score_on_test_photos_chooses_nothing(tmp_path: Path) -> None:
    for name, val, test in (("bn", 0.8, 0.7), ("in", 0.7, 0.99)):
        (tmp_path / name).mkdir()
        write_report(tmp_path / name, val)
        file = tmp_path / name / "report.json"
        report = json.loads(file.read_text())
        report["metrics"]["test"]["accuracy"]["value"] = test
        file.write_text(json.dumps(report))
    assert next(iter(rank_variants(NAMES, tmp_path))) == "bn"


def test_without_reports_or_with_damaged_ones_the_order_stays(tmp_path: Path) -> None:
    (tmp_path / "gn").mkdir()
    (tmp_path / "gn" / "report.json").write_text("{}")
    assert list(rank_variants(NAMES, tmp_path)) == ["bn", "in", "gn"]


def test_the_folder_command_asks_the_best_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUMAGE_CHECKPOINTS", str(tmp_path))
    for name, accuracy in {"bn": 0.7, "gn": 0.9}.items():
        write_report(colour_checkpoint(tmp_path / name), accuracy)
    assert open_variant(None, tmp_path).name == "gn"
    assert open_variant("bn", tmp_path).name == "bn"
