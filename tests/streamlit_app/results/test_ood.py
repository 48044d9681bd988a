import json
from pathlib import Path

import altair as alt
import pytest

from streamlit_app.results import ood
from streamlit_app.results.reading import ResultsError, read_reports
from tests.measurements import SEVEN, draw_ood, result_file, write_results

FOUND = draw_ood(SEVEN)


def test_the_best_variant_stands_first_with_a_row_for_each_kind() -> None:
    table = ood.detection(FOUND)
    assert len(table) == 2 * len(SEVEN)
    means = table.groupby("variant", sort=False).auroc.mean()
    assert means.is_monotonic_decreasing
    first = table.iloc[0]
    (measured,) = (
        row for row in FOUND["rows"] if (row["variant"], row["kind"]) == (first.variant, first.kind)
    )
    assert first.to_dict() == measured


def test_the_best_score_stands_first_and_scores_may_be_missing() -> None:
    table = ood.baselines(FOUND)
    assert len(table) == 2 * 2 * len(SEVEN)
    assert list(dict.fromkeys(table.score)) == ["novelty", "energy"]
    without = {key: value for key, value in FOUND.items() if key != "scores"}
    assert ood.baselines(without).empty


def test_where_nothing_was_measured_there_is_nothing(tmp_path: Path) -> None:
    assert ood.read_ood(tmp_path) is None
    assert ood.prediction_sets({"bn": {"species": []}}).empty


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"photos": {}, "rows": [3], "verdicts": [{}]}', '{"photos": 3}'],
)
def test_a_damaged_file_says_which_command_makes_it(tmp_path: Path, text: str) -> None:
    result_file(tmp_path, "ood.json").write_text(text)
    with pytest.raises(ResultsError, match="python -m trainer.evaluate.ood"):
        ood.read_ood(tmp_path)


def test_a_field_that_is_not_known_yet_does_not_disturb(tmp_path: Path) -> None:
    later = FOUND | {"robustness": {"JPEG 30": 0.9}}
    result_file(tmp_path, "ood.json").write_text(json.dumps(later))
    assert ood.read_ood(tmp_path) == later


def test_the_species_of_lowest_coverage_is_named(tmp_path: Path) -> None:
    write_results(tmp_path, ["bn", "gn"])
    table = ood.prediction_sets(read_reports(tmp_path)[0])
    assert list(zip(table.variant, table.level, strict=True)) == [
        ("bn", 0.9), ("bn", 0.95), ("gn", 0.9), ("gn", 0.95)
    ]  # fmt: skip
    assert set(table.lowest_coverage) == {0.7}
    assert set(table.lowest_size) == {2.4}
    assert table.coverage.between(0.89, 0.91).all()
    shown = ood.readable_sets(table)
    assert shown["its coverage, %"].tolist() == [70] * 4


def test_a_species_without_photos_is_not_the_one_of_lowest_coverage(tmp_path: Path) -> None:
    write_results(tmp_path, ["bn"])
    reports, _ = read_reports(tmp_path)
    before = ood.prediction_sets(reports)
    for measured in reports["bn"]["prediction_sets"].values():
        measured["species_coverage"].append(None)
        measured["species_size"].append(None)
    assert ood.prediction_sets(reports).equals(before)


def test_detection_is_shown_a_row_a_variant_beside_the_test_photos(tmp_path: Path) -> None:
    write_results(tmp_path, ["bn", "gn"])
    found = ood.read_ood(tmp_path)
    assert found is not None
    reports, _ = read_reports(tmp_path)
    del reports["gn"]  # its folder was taken away
    shown = ood.readable_detection(ood.detection(found), reports)
    shown = shown.set_index("variant")
    assert sorted(shown.index) == ["bn", "gn"]
    assert shown["test photos accepted, %"]["bn"] == 94
    value = found["rows"][0]["auroc"]
    assert shown["AUROC, no bird"]["bn"].startswith(f"{value:.3f} (")


@pytest.fixture
def drawn(tmp_path: Path) -> list[alt.LayerChart]:
    write_results(tmp_path)
    found = draw_ood(SEVEN)
    table, scores = ood.detection(found), ood.baselines(found)
    sets = ood.prediction_sets(read_reports(tmp_path)[0])
    return [
        ood.auroc_by_variant(table),
        ood.false_acceptance(table),
        ood.auroc_by_score(scores),
        ood.coverage_by_variant(sets),
        ood.set_sizes(sets),
    ]


def test_every_chart_has_a_title_and_says_what_its_axis_measures(
    drawn: list[alt.LayerChart],
) -> None:
    for chart in drawn:
        spec = chart.to_dict()
        assert spec["title"]["text"]
        assert any(layer["encoding"]["x"].get("title") for layer in spec["layer"])


def test_no_interval_is_cut_off(drawn: list[alt.LayerChart]) -> None:
    low, high = drawn[0].to_dict()["layer"][0]["encoding"]["x"]["scale"]["domain"]
    table = ood.detection(draw_ood(SEVEN))
    assert low <= table.low.min()
    assert high >= table.high.max()


def test_the_level_is_drawn_beside_the_coverage(drawn: list[alt.LayerChart]) -> None:
    spec = drawn[3].to_dict()
    rules = spec["layer"][0]
    rows = spec["datasets"][rules["data"]["name"]]
    assert {row["level"] for row in rows} == {0.9, 0.95}
