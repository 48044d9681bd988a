import json
from pathlib import Path

import numpy as np
import pytest

from streamlit_app.results import scores as results
from streamlit_app.results.scores import ResultsError
from tests.conftest import SPECIES
from tests.measurements import (
    SEVEN,
    draw_comparison,
    result_file,
    write_report,
    write_results,
    write_short_runs,
)

COMPARISON = draw_comparison(("bn", "gn", "nn"))


def compared(pairs: list[tuple[str, str, int, int, float]]) -> dict:
    names = ("a", "b", "only_a_right", "only_b_right", "p_holm")
    return COMPARISON | {"pairs": [{"p": 0.0, **dict(zip(names, p, strict=True))} for p in pairs]}


def test_reports_come_in_the_studys_order_whichever_are_there(tmp_path: Path) -> None:
    for name in ("mine", "torch-bn", "gn", "bn"):
        write_report(tmp_path / name)
    (tmp_path / "nn").mkdir()  # still training
    reports, faults = results.read_reports(tmp_path)
    assert list(reports) == ["bn", "gn", "torch-bn", "mine"]
    assert not faults


def test_an_empty_folder_has_no_results_and_no_faults(tmp_path: Path) -> None:
    assert results.read_reports(tmp_path) == ({}, [])
    assert results.read_comparison(tmp_path) is None
    assert results.read_short_runs(tmp_path).empty
    assert results.read_histories(tmp_path, []).empty


@pytest.mark.parametrize("text", ["", "{", "[]", '{"metrics": {}}', '{"metrics": 3}'])
def test_a_damaged_report_is_named_and_the_others_are_read(tmp_path: Path, text: str) -> None:
    write_report(tmp_path / "bn")
    write_report(tmp_path / "gn")
    (tmp_path / "gn" / "report.json").write_text(text)
    reports, (fault,) = results.read_reports(tmp_path)
    assert list(reports) == ["bn"]
    assert "gn/report.json is damaged" in fault


@pytest.mark.parametrize(
    "text",
    ["", "[]", '{"variants": {}}', '{"species": ["a"], "variants": {"bn": {}}, "pairs": []}'],
)
def test_a_damaged_comparison_says_which_command_makes_it(tmp_path: Path, text: str) -> None:
    result_file(tmp_path, "comparison.json").write_text(text)
    with pytest.raises(ResultsError, match="python -m trainer.evaluate.comparison --data PHOTOS"):
        results.read_comparison(tmp_path)


def test_a_comparison_of_other_species_than_its_matrices_is_damaged(tmp_path: Path) -> None:
    result_file(tmp_path, "comparison.json").write_text(
        json.dumps(COMPARISON | {"species": ["one"]})
    )
    with pytest.raises(ResultsError):
        results.read_comparison(tmp_path)


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
    reports, _ = results.read_reports(tmp_path)
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
    reports, _ = results.read_reports(tmp_path)
    shown = results.readable_summary(results.summary(reports, results.NO_SHORT_RUNS, None))
    (row,) = shown.to_dict("records")
    assert row["accuracy on test, %"] == "87.0 (85.0 to 89.0)"
    assert not {"seeds on test, %", "answer, ms", "calibration error, points"} & set(row)


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    write_report(tmp_path / "bn")
    write_report(tmp_path / "gn")
    write_short_runs(tmp_path, {"bn": [0.7], "gn": [0.6, 0.62, 0.64]})
    reports, _ = results.read_reports(tmp_path)
    table = results.summary(reports, results.read_short_runs(tmp_path), None)
    shown = results.readable_summary(table)["seeds on test, %"]
    assert shown.tolist() == ["70.0 (1 seed)", "62.0 ± 2.0 (3 seeds)"]


def test_a_comparison_of_other_weights_is_outdated(tmp_path: Path) -> None:
    comparison = write_results(tmp_path, ["bn", "gn"])
    reports, _ = results.read_reports(tmp_path)
    assert results.outdated(reports, comparison) == []
    write_report(tmp_path / "gn", comparison["variants"]["gn"]["accuracy"]["value"] + 0.05)
    write_report(tmp_path / "nn")
    reports, _ = results.read_reports(tmp_path)
    assert results.outdated(reports, comparison) == ["gn", "nn"]


def test_a_lead_is_in_shares_of_photos_and_signed() -> None:
    pairs = results.pair_tests(compared([("bn", "gn", 3, 15, 0.04), ("bn", "nn", 9, 8, 1.0)]))
    assert pairs["lead"].tolist() == [-12 / COMPARISON["photos"], 1 / COMPARISON["photos"]]
    assert pairs.differ.tolist() == [True, False]


def test_the_verdict_names_the_best_and_whom_it_cannot_be_told_from() -> None:
    scores = COMPARISON["variants"]
    best, second, third = sorted(
        ("bn", "gn", "nn"), key=lambda name: -scores[name]["accuracy"]["value"]
    )
    told = compared([(second, best, 1, 2, 0.9), (best, third, 9, 2, 0.01)])
    assert results.verdict(told).startswith(f"1 of 2 pairs differ by more than chance. `{best}`")
    assert f"but `{second}` cannot be told from it" in results.verdict(told)
    alone = compared([(second, best, 1, 9, 0.01), (best, third, 9, 2, 0.01)])
    assert "its lead is no chance" in results.verdict(alone)


def test_the_budget_is_the_recipes(tmp_path: Path) -> None:
    write_report(tmp_path / "bn")
    reports, _ = results.read_reports(tmp_path)
    assert results.budget(reports) == "4 epochs at 96 px"
    longer = {"gn": {"recipe": {"epochs": 9, "image_size": 96}}}
    assert results.budget({**reports, **longer}) == "4 to 9 epochs at 96 px"


def test_shares_of_a_confusion_are_of_the_true_species_and_its_diagonal_is_recall() -> None:
    table = results.confusion(COMPARISON, "gn")
    assert table.photos.sum() == COMPARISON["photos"]
    assert table.groupby("species").share.sum().tolist() == pytest.approx([1] * len(SPECIES))
    right = table[table.right]
    assert (right.species == right.answered).all()
    assert right.share.tolist() == pytest.approx(COMPARISON["variants"]["gn"]["recall"])


def test_mistakes_are_wrong_most_frequent_first_and_may_be_one_species() -> None:
    table = results.confusion(COMPARISON, "bn")
    wrong = results.mistakes(table)
    assert wrong.photos.is_monotonic_decreasing
    assert wrong.photos.sum() == table.photos.sum() - table.photos[table.right].sum()
    of_red = results.mistakes(table, "Red Bird")
    assert 0 < len(of_red) < len(wrong)
    assert ((of_red.species == "Red Bird") | (of_red.answered == "Red Bird")).all()


def test_species_are_ranked_by_f1() -> None:
    scores = results.species_scores(COMPARISON, "nn")
    assert scores.f1.is_monotonic_decreasing
    assert sorted(scores.recall) == sorted(COMPARISON["variants"]["nn"]["recall"])


def test_reliability_and_calibration_are_those_of_the_variant() -> None:
    measured = COMPARISON["variants"]["gn"]
    assert results.reliability(COMPARISON, "gn").to_dict("records") == measured["reliability"]
    errors = results.calibration_errors(COMPARISON, ["nn", "gn"])
    assert errors.variant.tolist() == ["nn", "gn"]
    assert errors.after[1] == measured["calibration_error"]["after"]


def test_all_seven_can_be_summarised(tmp_path: Path) -> None:
    comparison = write_results(tmp_path)
    reports, _ = results.read_reports(tmp_path)
    table = results.summary(reports, results.read_short_runs(tmp_path), comparison)
    assert table.variant.tolist() == [*SEVEN, "consensus"]


@pytest.mark.parametrize(
    ("names", "words"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed_as_in_a_sentence(names: list[str], words: str) -> None:
    assert results.in_words(names) == words


def test_full_runs_say_once_what_they_were_trained_on_where_reports_do() -> None:
    gpu, processor = {"processor": "P", "cores": 9, "gpu": "G"}, {"processor": "Q", "cores": 2}
    reports = {"bn": {"machines": [gpu]}, "gn": {"machines": [gpu, processor]}, "in": {}}
    assert results.machines(reports) == "trained on G and Q"
    assert results.machines({"in": {}}) == ""


def test_runs_of_another_length_or_photo_size_are_not_alike() -> None:
    def report(epochs: int, size: int) -> dict:
        return {"recipe": {"epochs": epochs, "image_size": size}}

    assert results.alike({"bn": report(16, 96), "gn": report(16, 96)})
    assert not results.alike({"bn": report(16, 96), "gn": report(6, 96)})
    assert not results.alike({"bn": report(16, 96), "gn": report(16, 64)})
