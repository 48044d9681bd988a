from dataclasses import replace

import pandas as pd
import pytest
from filelock import FileLock

from trainer import studies
from trainer.studies import STUDIES, Study, main, run_study


@pytest.fixture
def tiny(tiny_recipe, monkeypatch, tmp_path):
    """A study of two runs of seconds, each a whole checkpoint."""
    study = Study("Which?", tiny_recipe, [{"norm": "bn"}, {"norm": "gn"}], checkpoints=True)
    monkeypatch.setitem(STUDIES, "tiny", study)
    monkeypatch.setattr(studies, "TABLES", tmp_path / "tables")
    return study


def test_runs_are_named_after_what_they_change(tiny_recipe):
    study = Study("?", tiny_recipe, [{}, {"norm": "gn", "seed": 2}])
    assert list(study.recipes) == ["as-it-is", "norm=gn,seed=2"]
    assert study.recipes["norm=gn,seed=2"] == replace(tiny_recipe, norm="gn", seed=2)
    assert study.varied == ["norm", "seed"]


def test_a_study_trains_what_is_missing_and_writes_one_tidy_table(
    tiny, drawn_photos, tmp_path, capsys
):
    home = tmp_path / "runs" / "studies" / "tiny"
    home.joinpath("norm=gn").mkdir(parents=True)
    with FileLock(home / "norm=gn" / ".lock"):  # another command is at this run
        run_study("tiny", drawn_photos, tmp_path / "runs")
    assert "1 of 2 runs are done" in capsys.readouterr().out
    report = home / "norm=bn" / "report.json"
    before = report.stat().st_mtime_ns
    run_study("tiny", drawn_photos, tmp_path / "runs")
    assert report.stat().st_mtime_ns == before
    table = pd.read_csv(tmp_path / "tables" / "tiny.csv")
    assert set(table.norm) == {"bn", "gn"}
    assert list(table[table.norm == "gn"].split) == ["train", "val"] * 2 + ["test"]


def test_runs_without_checkpoints_leave_their_history_only(
    tiny_recipe, drawn_photos, tmp_path, monkeypatch
):
    study = Study("?", replace(tiny_recipe, epochs=1), [{}, {"seed": 1}])
    monkeypatch.setitem(STUDIES, "tiny", study)
    monkeypatch.setattr(studies, "TABLES", tmp_path / "tables")
    run_study("tiny", drawn_photos, tmp_path / "runs")
    table = pd.read_csv(tmp_path / "tables" / "tiny.csv")
    assert list(table.seed) == [0, 0, 1, 1]
    assert list(table.split) == ["train", "val"] * 2
    left = {f.name for f in (tmp_path / "runs" / "studies" / "tiny" / "seed=1").iterdir()}
    assert left <= {"history.csv", ".lock"}


def test_the_list_names_every_study_with_its_question(capsys):
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(STUDIES)
    assert all(line.endswith("?") for line in lines)


def test_without_photos_a_sentence_says_what_is_expected(tmp_path, capsys):
    assert main(["norms", "--data", str(tmp_path), "--output", str(tmp_path / "runs")]) == 2
    assert "--data names a folder" in capsys.readouterr().err
