import altair as alt
import pytest

from streamlit_app.results import variant
from tests.conftest import SPECIES
from tests.measurements import SEVEN, draw_comparison

COMPARISON = draw_comparison(SEVEN)


def test_shares_of_a_confusion_are_of_the_true_species_and_its_diagonal_is_recall() -> None:
    table = variant.confusion(COMPARISON, "gn")
    assert table.photos.sum() == COMPARISON["photos"]
    assert table.groupby("species").share.sum().tolist() == pytest.approx([1] * len(SPECIES))
    right = table[table.right]
    assert (right.species == right.answered).all()
    assert right.share.tolist() == pytest.approx(COMPARISON["variants"]["gn"]["recall"])


def test_mistakes_are_wrong_most_frequent_first_and_may_be_one_species() -> None:
    table = variant.confusion(COMPARISON, "bn")
    wrong = variant.mistakes(table)
    assert wrong.photos.is_monotonic_decreasing
    assert wrong.photos.sum() == table.photos.sum() - table.photos[table.right].sum()
    of_red = variant.mistakes(table, "Red Bird")
    assert 0 < len(of_red) < len(wrong)
    assert ((of_red.species == "Red Bird") | (of_red.answered == "Red Bird")).all()


def test_species_are_ranked_by_f1() -> None:
    scores = variant.species_scores(COMPARISON, "nn")
    assert scores.f1.is_monotonic_decreasing
    assert sorted(scores.recall) == sorted(COMPARISON["variants"]["nn"]["recall"])


def test_reliability_and_calibration_are_those_of_the_variant() -> None:
    measured = COMPARISON["variants"]["gn"]
    assert variant.reliability(COMPARISON, "gn").to_dict("records") == measured["reliability"]
    errors = variant.calibration_errors(COMPARISON, ["nn", "gn"])
    assert errors.variant.tolist() == ["nn", "gn"]
    assert errors.after[1] == measured["calibration_error"]["after"]


@pytest.mark.parametrize(
    "chart",
    [
        variant.confusion_grid(variant.confusion(COMPARISON, "gn"), "gn"),
        variant.species_dots(variant.species_scores(COMPARISON, "gn"), "gn"),
        variant.reliability_diagram(variant.reliability(COMPARISON, "gn"), "gn"),
        variant.calibration_bars(variant.calibration_errors(COMPARISON, SEVEN)),
    ],
    ids=["confusion", "species", "reliability", "calibration"],
)
def test_every_chart_has_a_title_and_says_what_its_axes_measure(
    chart: alt.Chart | alt.LayerChart,
) -> None:
    spec = chart.to_dict()
    assert spec["title"]["text"]
    for encoding in [layer["encoding"] for layer in spec.get("layer", [spec])]:
        for axis in [encoding[axis] for axis in "xy" if "type" in encoding[axis]]:
            assert axis["type"] == "nominal" or axis["title"]


def test_cells_without_photos_are_not_drawn() -> None:
    chart = variant.confusion_grid(variant.confusion(COMPARISON, "gn"), "gn")
    (rows,) = chart.to_dict()["datasets"].values()
    assert all(row["photos"] > 0 for row in rows)
