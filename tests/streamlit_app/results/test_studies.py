from pathlib import Path

import pytest

from streamlit_app.results import studies
from streamlit_app.results.scores import ResultsError
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


def test_the_size_says_how_far_the_study_is_and_why_no_further(tmp_path: Path) -> None:
    assert study(tmp_path, "depth").size.endswith(
        "at 32 px with 192 training photos of each species, 2 epochs where they are not varied: "
        "9 of 9 are done."
    )
    write_study(tmp_path, "depth", done=4)
    partly = read_study(tmp_path, "depth")
    assert partly is not None
    assert partly.size.endswith("4 of 9 are done so far.")
    late = studies.Study(partly.facts | {"in_time": False}, partly.table)
    assert "dropped when 75 minutes were spent" in late.size


def test_an_optimizer_that_diverged_is_drawn_at_0_under_that_name(tmp_path: Path) -> None:
    cells = studies.by_learning_rate(study(tmp_path, "optimizers").table)
    assert len(cells) == 5
    assert (cells.runs == 2).all()
    (failed,) = cells[cells.schedule == "diverged"].itertuples()
    assert (failed.optimizer, failed.rate, failed.accuracy) == ("Adam", 0.2, 0.0)
    assert (cells.accuracy[cells.schedule != "diverged"] > 0.2).all()


def test_batches_are_set_against_32_with_the_same_seed(tmp_path: Path) -> None:
    table = study(tmp_path, "batch-size").table
    changes = studies.changes_with_batch(table)
    assert len(changes) == 2 * 2 * 2 * 2 * 2
    runs = studies.endings(table)
    own = runs[(runs.norm == "gn") & (runs.seed == 1)].set_index(["batch_size", "equal", "rate"])
    expected = own.accuracy[8, "steps", "scaled"] - own.accuracy[32, "both", "both"]
    (row,) = changes[
        (changes.norm == "gn")
        & (changes.seed == 1)
        & (changes.setting == "batch 8, equal steps, rate scaled")
    ].itertuples()
    assert row.points == pytest.approx(100 * expected)


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
