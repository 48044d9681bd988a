"""A study's runs on a cluster of two machines are those that one machine makes."""

import contextlib
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock

from trainer.run_folder import TrainingError
from trainer.studies import tables as study_tables
from trainer.studies.__main__ import main
from trainer.studies.conclusions import ANSWERS
from trainer.studies.definitions import STUDIES
from trainer.studies.runs import run_study
from trainer.studies.study import Study

pytestmark = pytest.mark.slow

BASE = {"norm": "torch-bn", "n": 1, "learning_rate": 0.05}


@pytest.fixture
def study(tiny_recipe, monkeypatch, tmp_path):
    """Two runs of an epoch, one of them diverging, and one that follows from them.

    The first that ends an epoch kills its process where there is a file named `kill`.
    """

    def follow_up(table, tables):
        return [BASE | {"seed": 1}] if len(table) and table.peak_learning_rate.nunique() > 1 else []

    def probe(features):
        with contextlib.suppress(FileNotFoundError):
            (tmp_path / "kill").unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return {}

    changes = [BASE | {"seed": 0}, BASE | {"norm": "nn", "learning_rate": 1e20, "seed": 0}]
    study = Study(
        "Deep?", replace(tiny_recipe, epochs=1), changes, follow_up=follow_up, probe=probe
    )
    monkeypatch.setitem(STUDIES, "depth", study)
    monkeypatch.setitem(ANSWERS, "depth", lambda table, facts: "Deep.")
    monkeypatch.setattr(study_tables, "TABLES", tmp_path / "tables")


def table_of(data, output, cluster=None):
    run_study("depth", data, output, cluster=cluster)
    file = study_tables.TABLES / "depth.csv"
    table = pd.read_csv(file)
    file.unlink()  # or the next command would resume it
    return table.sort_values(["norm", "seed", "split"], ignore_index=True).drop(columns="seconds")


def test_two_machines_make_the_runs_that_one_makes_though_a_process_dies_and_leave_others_theirs(
    study, cluster, drawn_photos, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)  # names of files may be relative
    here, there = Path("here"), Path("there")
    expected = table_of(drawn_photos, here)
    assert list(expected.seed) == [0, 0, 0, 1, 1]  # the diverged one has a row
    (last,) = (run.relative_to(here) for run in here.glob("studies/depth/*seed=1"))
    (there / last).mkdir(parents=True)
    (tmp_path / "kill").touch()
    with FileLock(there / last / ".lock"):
        table = table_of(drawn_photos, there, cluster)
    assert not (tmp_path / "kill").exists()
    pd.testing.assert_frame_equal(table, expected[expected.seed == 0])
    assert "2 of 3 runs are done" in capsys.readouterr().out
    pd.testing.assert_frame_equal(table_of(drawn_photos, there), expected)


def test_what_goes_wrong_on_a_machine_is_said_here(
    study, cluster, photo_folder, tmp_path, monkeypatch, capsys
):
    monkeypatch.setitem(STUDIES, "depth", replace(STUDIES["depth"], changes=[BASE | {"seed": 0}]))
    for photo in photo_folder.glob("val/*/*"):
        photo.write_bytes(b"no photo")
    data, runs = f"--data={photo_folder}", f"--output={tmp_path / 'runs'}"
    assert main(["depth", data, runs, f"--cluster={cluster}"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("None of the ")


def test_a_cluster_that_is_not_there_is_said_so(study, drawn_photos, tmp_path):
    with pytest.raises(TrainingError, match="There is no Ray cluster at nowhere"):
        run_study("depth", drawn_photos, tmp_path / "runs", cluster="nowhere")


def test_without_ray_a_sentence_says_what_to_install(study, drawn_photos, tmp_path, monkeypatch):
    monkeypatch.delitem(sys.modules, "trainer.studies.ray", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(TrainingError, match="pip install --requirement cluster-requirements.txt"):
        run_study("depth", drawn_photos, tmp_path / "runs", cluster="auto")
