from collections import Counter
from pathlib import Path

import pandas as pd
import pytest

from streamlit_app.results import studies
from streamlit_app.results.reading import ResultsError
from streamlit_app.results.studies import TITLES, read_study
from tests.measurements import result_file, write_study


def study(folder: Path, name: str) -> studies.Study:
    write_study(folder, name)
    found = read_study(folder, name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", TITLES)
def test_a_study_that_was_not_made_is_none(tmp_path: Path, name: str) -> None:
    assert read_study(tmp_path, name) is None
    write_study(tmp_path, name)
    result_file(tmp_path, f"studies/{name}.json").unlink()
    assert read_study(tmp_path, name) is None


@pytest.mark.parametrize("name", TITLES)
@pytest.mark.parametrize("kind", ["csv", "json"])
@pytest.mark.parametrize("text", ["", "{}", "a,b\n1,2\n", "[]"])
def test_a_damaged_study_names_its_files_and_its_command(
    tmp_path: Path, name: str, kind: str, text: str
) -> None:
    write_study(tmp_path, name)
    result_file(tmp_path, f"studies/{name}.{kind}").write_text(text)
    with pytest.raises(ResultsError, match=rf"studies/{name}.csv.*trainer.studies {name} --data"):
        read_study(tmp_path, name)


def test_the_size_is_the_trainers_sentence_and_the_rule_where_it_wrote_none(tmp_path: Path) -> None:
    assert study(tmp_path, "depth").size == "Rates are chosen."
    write_study(tmp_path, "depth", size="All 9 runs are done. Rates are chosen.")
    written = read_study(tmp_path, "depth")
    assert written is not None
    assert written.size == "All 9 runs are done. Rates are chosen."


def test_an_optimizer_that_diverged_is_drawn_at_0_under_that_name(tmp_path: Path) -> None:
    cells = studies.by_learning_rate(study(tmp_path, "optimizers").table)
    assert len(cells) == 5
    assert (cells.runs == 2).all()
    (failed,) = cells[cells.schedule == "diverged"].itertuples()
    assert (failed.optimizer, failed.rate, failed.accuracy) == ("Adam", 0.2, 0.0)
    assert (cells.accuracy[cells.schedule != "diverged"] > 0.2).all()


def test_each_batch_size_stands_at_its_best_rate_and_32_is_in_both_lines(tmp_path: Path) -> None:
    table = study(tmp_path, "batch-size").table
    cells = studies.by_batch_size(table)
    assert len(cells) == 2 * 2 * 3
    assert Counter(cells.batch_size) == {32: 4, 8: 4, 128: 4}
    runs = studies.endings(table)
    own = runs[(runs.norm == "gn") & (runs.batch_size == 8) & (runs.equal == "steps")]
    (row,) = cells[
        (cells.norm == "gn") & (cells.batch_size == 8) & (cells.as_at_32 == "as many steps")
    ].itertuples()
    assert row.accuracy == pytest.approx(own.groupby("peak_learning_rate").accuracy.mean().max())


def test_a_rate_that_was_repeated_stands_before_a_better_single_run() -> None:
    columns = ["norm", "peak_learning_rate", "accuracy"]
    runs = pd.DataFrame([("bn", 0.1, 0.5), ("bn", 0.1, 0.6), ("bn", 0.2, 0.9)], columns=columns)
    (row,) = studies.at_best_rate(runs, ["norm"]).itertuples()
    assert (row.rate, row.low, row.high, row.runs) == (0.1, 0.5, 0.6, 2)


def test_a_rate_at_which_a_norm_diverged_counts_as_0(tmp_path: Path) -> None:
    cells = studies.by_norm_and_rate(study(tmp_path, "learning-rate").table)
    assert (cells.accuracy[(cells.norm == "nn") & (cells.rate == 0.2)] == 0).all()
    assert (cells.accuracy[cells.norm == "bn"] > 0).all()


def test_features_are_the_mean_over_seeds(tmp_path: Path) -> None:
    features = studies.features_over_epochs(study(tmp_path, "feature-quantiles").table)
    assert len(features) == 7 * 4 * 2
    last = features[(features.percentile == "99%") & (features.epoch == 2)]
    assert last.value.tolist() == pytest.approx([99 / 50 * 2] * 7)


def test_each_depth_stands_at_its_better_rate_and_divergence_counts_as_0(tmp_path: Path) -> None:
    found = study(tmp_path, "depth")
    cells = studies.by_depth(found.table).set_index(["norm", "layers"])
    assert sorted(cells.index) == [("bn", 8), ("bn", 32), ("nn", 8), ("nn", 32)]
    assert cells.rate["nn", 32] == 0.025  # all diverged at the other
    means = studies.endings(found.table).groupby(["norm", "n", "peak_learning_rate"]).accuracy
    best = max(means.mean()["bn", 5, rate] for rate in (0.1, 0.025))
    assert cells.accuracy["bn", 32] == pytest.approx(best)
    assert (cells.low <= cells.accuracy).all()
    assert (cells.accuracy <= cells.high).all()
