from pathlib import Path
from typing import Any

import altair as alt
import pytest

from streamlit_app.results import score_charts as charts
from streamlit_app.results import scores as results
from tests.measurements import SEVEN, write_results


@pytest.fixture
def measured(tmp_path: Path) -> dict[str, alt.LayerChart]:
    """Every chart of the results of all seven."""
    comparison = write_results(tmp_path)
    reports, _ = results.read_reports(tmp_path)
    runs = results.read_short_runs(tmp_path)
    histories = results.read_histories(tmp_path, reports)
    return {
        "accuracy": charts.accuracy_intervals(
            results.summary(reports, runs, comparison), runs, comparison["photos"]
        ),
        "pairs": charts.pair_grid(results.pair_tests(comparison), SEVEN),
        "train": charts.learning_curves(histories, "train", "accuracy"),
        "loss": charts.learning_curves(histories, "val", "loss"),
        "confusion": charts.confusion_grid(results.confusion(comparison, "gn"), "gn"),
        "species": charts.species_dots(results.species_scores(comparison, "gn"), "gn"),
        "reliability": charts.reliability_diagram(results.reliability(comparison, "gn"), "gn"),
        "calibration": charts.calibration_bars(results.calibration_errors(comparison, SEVEN)),
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
        results[b, a] == opposite.get(result, "may be chance") for (a, b), result in results.items()
    )


def test_cells_without_photos_are_not_drawn(measured: dict[str, alt.LayerChart]) -> None:
    (rows,) = measured["confusion"].to_dict()["datasets"].values()
    assert all(row["photos"] > 0 for row in rows)
