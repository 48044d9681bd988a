import json
from pathlib import Path

import pytest

from streamlit_app.results import ood as doubt
from streamlit_app.results.scores import ResultsError, read_reports
from tests.measurements import SEVEN, draw_strangers, result_file, write_results

FOUND = draw_strangers(SEVEN)


def test_the_best_variant_stands_first_with_a_row_for_each_kind_of_strangers() -> None:
    table = doubt.against_strangers(FOUND)
    assert len(table) == 2 * len(SEVEN)
    means = table.groupby("variant", sort=False).auroc.mean()
    assert means.is_monotonic_decreasing
    first = table.iloc[0]
    measured = FOUND["variants"][first.variant][first.kind]
    assert first.auroc == measured["auroc"]["value"]
    assert first.accepted == measured["falsely_accepted"]


def test_the_best_score_stands_first_and_scores_may_be_missing() -> None:
    table = doubt.by_score(FOUND)
    assert len(table) == 2 * 2 * len(SEVEN)
    assert list(dict.fromkeys(table.score)) == ["novelty", "energy"]
    without = {key: value for key, value in FOUND.items() if key != "scores"}
    assert doubt.by_score(without).empty


def test_where_nothing_was_measured_there_is_nothing(tmp_path: Path) -> None:
    assert doubt.read_strangers(tmp_path) is None
    assert doubt.prediction_sets({"bn": {"species": []}}).empty


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"photos": {}, "variants": {"bn": {"no bird": {}}}}', '{"photos": 3}'],
)
def test_a_damaged_file_says_which_command_makes_it(tmp_path: Path, text: str) -> None:
    result_file(tmp_path, "ood.json").write_text(text)
    with pytest.raises(ResultsError, match="python -m trainer.evaluate.ood"):
        doubt.read_strangers(tmp_path)


def test_a_field_that_is_not_known_yet_does_not_disturb(tmp_path: Path) -> None:
    later = FOUND | {"robustness": {"JPEG 30": 0.9}}
    result_file(tmp_path, "ood.json").write_text(json.dumps(later))
    assert doubt.read_strangers(tmp_path) == later


def test_of_a_set_the_species_that_is_held_least_is_named(tmp_path: Path) -> None:
    write_results(tmp_path, ["bn", "gn"])
    table = doubt.prediction_sets(read_reports(tmp_path)[0])
    assert list(zip(table.variant, table.promise, strict=True)) == [
        ("bn", 0.9), ("bn", 0.95), ("gn", 0.9), ("gn", 0.95)
    ]  # fmt: skip
    assert set(table.least_held) == {0.7}
    assert set(table.least_size) == {2.4}
    assert table.held.between(0.89, 0.91).all()
    shown = doubt.readable_sets(table)
    assert shown["of it held, %"].tolist() == [70] * 4


def test_a_species_without_photos_is_not_the_one_that_is_held_least(tmp_path: Path) -> None:
    write_results(tmp_path, ["bn"])
    reports, _ = read_reports(tmp_path)
    before = doubt.prediction_sets(reports)
    for measured in reports["bn"]["prediction_sets"].values():
        measured["species_coverage"].append(None)
        measured["species_size"].append(None)
    assert doubt.prediction_sets(reports).equals(before)


def test_strangers_are_shown_a_row_a_variant_beside_the_test_photos(tmp_path: Path) -> None:
    write_results(tmp_path, ["bn", "gn"])
    found = doubt.read_strangers(tmp_path)
    assert found is not None
    reports, _ = read_reports(tmp_path)
    del reports["gn"]  # its folder was taken away
    shown = doubt.readable_strangers(doubt.against_strangers(found), reports)
    shown = shown.set_index("variant")
    assert sorted(shown.index) == ["bn", "gn"]
    assert shown["test photos accepted, %"]["bn"] == 94
    value = found["variants"]["bn"]["no bird"]["auroc"]["value"]
    assert shown["AUROC, no bird"]["bn"].startswith(f"{value:.3f} (")
