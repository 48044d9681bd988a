import json
import math
from dataclasses import replace

import pandas as pd
import pytest
from filelock import FileLock

from trainer.report.studies import SECTIONS
from trainer.studies import probes, runs, tables
from trainer.studies.__main__ import main
from trainer.studies.conclusions import ANSWERS
from trainer.studies.definitions import STUDIES
from trainer.studies.runs import PROVENANCE, run_study
from trainer.studies.study import Study


@pytest.fixture
def tiny(tiny_recipe, monkeypatch, tmp_path):
    """A study of two runs of seconds that are scored on test."""
    study = Study("Which?", tiny_recipe, [{"norm": "torch-bn"}, {"norm": "nn"}], test=True)
    monkeypatch.setitem(STUDIES, "tiny", study)
    monkeypatch.setitem(ANSWERS, "tiny", lambda table, facts: "Both.")
    monkeypatch.setattr(tables, "TABLES", tmp_path / "tables")
    return study


@pytest.mark.slow
def test_a_study_trains_what_is_missing_and_writes_one_tidy_table(
    tiny, drawn_photos, tmp_path, capsys
):
    home = tmp_path / "runs" / "studies" / "tiny"
    home.joinpath("norm=nn").mkdir(parents=True)
    with FileLock(home / "norm=nn" / ".lock"):  # another command is at this run
        run_study("tiny", drawn_photos, tmp_path / "runs")
    assert "1 of 2 runs are done" in capsys.readouterr().out
    history = home / "norm=torch-bn" / "history.csv"
    before = history.stat().st_mtime_ns
    run_study("tiny", drawn_photos, tmp_path / "runs")
    assert history.stat().st_mtime_ns == before
    table = pd.read_csv(tmp_path / "tables" / "tiny.csv")
    assert set(table.norm) == {"torch-bn", "nn"}
    assert list(table[table.norm == "nn"].split) == ["train", "val"] * 2 + ["test"]
    facts = json.loads((tmp_path / "tables" / "tiny.json").read_text())
    assert facts["answer"] == "Both."
    assert facts["done"] == facts["planned"] == 2
    assert facts["machines"][0]["cores"]


@pytest.mark.slow
def test_the_weights_that_are_best_on_val_are_scored_on_test(tiny, drawn_photos, tmp_path):
    run_study("tiny", drawn_photos, tmp_path / "runs")
    table = pd.read_csv(tmp_path / "tables" / "tiny.csv")
    for _, run in table.groupby("norm"):
        val, test = run[run.split == "val"], run[run.split == "test"]
        best = val[val.accuracy == val.accuracy.max()].epoch.max()
        assert test.epoch.tolist() == [best]


@pytest.mark.slow
def test_a_run_that_another_study_has_made_is_copied_without_its_own_columns(
    tiny, tiny_recipe, drawn_photos, tmp_path, monkeypatch
):
    run_study("tiny", drawn_photos, tmp_path / "runs")
    other = Study("Again?", tiny_recipe, [{"norm": "nn"}])
    monkeypatch.setitem(STUDIES, "other", other)
    monkeypatch.setitem(ANSWERS, "other", lambda table, facts: "Yes.")
    monkeypatch.setattr(runs, "finish", lambda *_: pytest.fail("made again"))
    run_study("other", drawn_photos, tmp_path / "runs")
    made = pd.read_csv(tmp_path / "tables" / "tiny.csv").query("norm == 'nn' and split != 'test'")
    copied = pd.read_csv(tmp_path / "tables" / "other.csv")
    pd.testing.assert_frame_equal(copied, made.reset_index(drop=True))


@pytest.mark.slow
def test_runs_leave_their_history_only(tiny_recipe, drawn_photos, tmp_path, monkeypatch):
    study = Study("?", replace(tiny_recipe, epochs=1), [{}, {"seed": 1}])
    monkeypatch.setitem(STUDIES, "tiny", study)
    monkeypatch.setitem(ANSWERS, "tiny", lambda table, facts: "Both.")
    monkeypatch.setattr(tables, "TABLES", tmp_path / "tables")
    run_study("tiny", drawn_photos, tmp_path / "runs")
    table = pd.read_csv(tmp_path / "tables" / "tiny.csv")
    assert list(table.seed) == [0, 0, 1, 1]
    assert list(table.split) == ["train", "val"] * 2
    left = {f.name for f in (tmp_path / "runs" / "studies" / "tiny" / "seed=1").iterdir()}
    assert left <= {"history.csv", ".lock", PROVENANCE}


@pytest.mark.slow
def test_a_run_of_other_photos_or_another_recipe_is_not_taken_for_this_one(
    quick, tiny_recipe, photo_folder, tmp_path, capsys
):
    change = {"norm": "nn", "n": 1, "learning_rate": 0.01, "seed": 0}
    quick([change])
    output = tmp_path / "runs"
    command = ["depth", "--data", str(photo_folder), "--output", str(output)]
    assert main(command) == 0
    before = (tmp_path / "tables" / "depth.csv").read_bytes()
    (photo_folder / "val" / "Red-Ring" / "000.png").unlink()
    probes.load_cached.cache_clear()  # the next command is another process
    assert main(command) == 2
    assert "is of other photos than" in capsys.readouterr().err
    assert (tmp_path / "tables" / "depth.csv").read_bytes() == before
    study = Study("Deep?", replace(tiny_recipe, epochs=3), [change])
    STUDIES["depth"] = study  # `quick` puts the real one back
    assert main(command) == 2
    assert "ends with that epoch" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_that_diverges_is_recorded_and_not_tried_again(
    quick, drawn_photos, tmp_path, monkeypatch, capsys
):
    good = {"norm": "nn", "n": 1, "learning_rate": 0.01, "seed": 0}
    quick([good | {"learning_rate": 1e20}, good])
    run_study("depth", drawn_photos, tmp_path / "runs")
    assert "2 of 2 runs are done" in capsys.readouterr().out
    table = pd.read_csv(tmp_path / "tables" / "depth.csv")
    diverged = table[table.peak_learning_rate == 1e20]
    assert diverged.split.tolist() == ["train"]
    assert math.isnan(diverged.loss.iloc[0])
    assert table[table.peak_learning_rate == 0.01].split.tolist() == ["train", "val"]

    monkeypatch.setattr(runs, "finish", lambda *_: pytest.fail("tried again"))
    run_study("depth", drawn_photos, tmp_path / "runs")


@pytest.mark.slow
def test_runs_that_follow_from_finished_ones_are_made_in_the_same_command(
    quick, drawn_photos, tmp_path
):
    base = {"norm": "torch-bn", "n": 1, "learning_rate": 0.05}

    def follow_up(table, tables):
        return [base | {"seed": 0, "learning_rate": 0.02}] if len(table) >= 4 else []

    quick([base | {"seed": 0}, base | {"seed": 1}], follow_up=follow_up)
    # The follower belongs to the first seed and is known only once both runs are done.
    run_study("depth", drawn_photos, tmp_path / "runs")
    table = pd.read_csv(tmp_path / "tables" / "depth.csv")
    assert list(zip(table.seed, table.peak_learning_rate, strict=True))[::2] == [
        (0, 0.05),
        (0, 0.02),
        (1, 0.05),
    ]


def test_every_question_has_an_answer_and_a_section():
    assert set(ANSWERS) == set(SECTIONS) == set(STUDIES)
