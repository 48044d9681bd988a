import itertools
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pytest

from streamlit_app import charts, results
from streamlit_app.charts import VARIANT_COLOURS, percent, probability_bars
from streamlit_app.classifier import NORMS
from tests.measurements import SEVEN, write_results

RANKING = [("Hoopoe", 0.9), ("House Crow", 0.06), ("Indian Pitta", 0.001)]


@pytest.mark.parametrize(
    ("probability", "words"),
    [(0.0, "<1%"), (0.0099, "<1%"), (0.01, "1%"), (0.554, "55%"), (0.99, "99%"), (0.9999, ">99%")],
)
def test_a_percentage_never_claims_certainty(probability: float, words: str) -> None:
    assert percent(probability) == words


def test_the_bars_keep_the_order_given_and_carry_their_numbers() -> None:
    spec = probability_bars(RANKING).to_dict()
    (rows,) = spec["datasets"].values()
    assert [row["label"] for row in rows] == ["Hoopoe  90%", "House Crow  6%", "Indian Pitta  <1%"]
    assert spec["encoding"]["y"]["sort"] is None


def test_a_bar_is_as_long_as_its_share_of_certainty() -> None:
    spec = probability_bars(RANKING).to_dict()
    assert spec["encoding"]["x"]["scale"]["domain"] == [0, 1]


def test_the_chart_has_a_title() -> None:
    assert probability_bars(RANKING).to_dict()["title"]["text"]


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


# Simulated colour blindness on linear RGB (Machado et al. 2009, severity 1).
SIGHT = {
    "all colours": np.eye(3),
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.119192, 0.9503041],
    ]
)
WHITE = np.array([0.95047, 1, 1.08883])


def linear(colour: str) -> np.ndarray:
    channels = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)


def lab(colour: str, sight: Any) -> np.ndarray:
    """CIELAB, in which a distance of 1 is about the least that can be seen."""
    seen = (np.asarray(sight) @ linear(colour)).clip(0, 1)
    x, y, z = np.cbrt(TO_XYZ @ seen / WHITE)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one: str, other: str) -> float:
    """WCAG's contrast ratio."""
    low, high = sorted(TO_XYZ[1] @ linear(colour) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("sight", SIGHT)
def test_the_colours_of_any_two_variants_can_be_told_apart(sight: str) -> None:
    for one, other in itertools.combinations(VARIANT_COLOURS.values(), 2):
        distance = np.linalg.norm(lab(one, SIGHT[sight]) - lab(other, SIGHT[sight]))
        assert distance > 15, (one, other)


@pytest.mark.parametrize("page", ["#ffffff", "#171614"])
def test_every_colour_stands_out_from_a_light_and_a_dark_page(page: str) -> None:
    for colour in [*VARIANT_COLOURS.values(), charts._BAR, charts._OTHER, charts._GREY]:
        assert contrast(colour, page) >= 3, colour


def test_each_of_the_seven_has_its_own_colour() -> None:
    assert set(VARIANT_COLOURS) == set(NORMS)
    assert len(set(VARIANT_COLOURS.values())) == len(NORMS)
