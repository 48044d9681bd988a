import json

import pandas as pd
import pytest
from filelock import FileLock

from trainer.run_folder import TrainingError
from trainer.studies import probes as watching
from trainer.studies import runs
from trainer.studies.definitions import Study
from trainer.studies.runs import run_study
from trainer.studies.tables import lay_down, within_time


def test_a_clone_goes_on_from_the_table_that_it_came_with(
    quick, photo_folder, tmp_path, monkeypatch
):
    base = {"norm": "nn", "n": 1, "learning_rate": 0.01}
    quick([base | {"seed": 0}, base | {"learning_rate": 1e20, "seed": 0}])
    run_study("depth", photo_folder, tmp_path / "runs")
    table = tmp_path / "tables" / "depth.csv"
    before = pd.read_csv(table)

    quick([base | {"seed": 0}, base | {"learning_rate": 1e20, "seed": 0}, base | {"seed": 1}])
    made, finish = [], runs.finish
    monkeypatch.setattr(runs, "finish", lambda *a: (made.append(a[1].name), finish(*a)))
    run_study("depth", photo_folder, tmp_path / "elsewhere")
    assert made == ["norm=nn,n=1,learning_rate=0.01,seed=1"]
    after = pd.read_csv(table)
    pd.testing.assert_frame_equal(after[after.seed == 0], before)
    assert list(after[after.seed == 1].split) == ["train", "val"]

    (photo_folder / "val" / "Red-Ring" / "000.png").unlink()
    watching.loaded.cache_clear()  # the next command is another process
    with pytest.raises(TrainingError, match="is of other photos than"):
        run_study("depth", photo_folder, tmp_path / "elsewhere")
    made.clear()
    run_study("depth", photo_folder, tmp_path / "of other photos")
    assert len(made) == 3


def test_a_table_whose_facts_are_of_another_one_is_not_gone_on_from(
    quick, drawn_photos, tmp_path, capsys
):
    quick([{"norm": "nn", "n": 1, "learning_rate": 0.01, "seed": 0}])
    run_study("depth", drawn_photos, tmp_path / "runs")
    table = tmp_path / "tables" / "depth.csv"
    table.write_text(table.read_text() + "\n")  # as of a command stopped before its facts
    run_study("depth", drawn_photos, tmp_path / "elsewhere")
    assert "are those of" not in capsys.readouterr().out


def test_a_run_that_another_command_is_at_is_not_laid_down(tiny_recipe, tmp_path):
    history = pd.DataFrame([{"epoch": 1, "split": "train", "loss": 1.0}])
    folder = tmp_path / "run"
    folder.mkdir()
    with FileLock(folder / ".lock"):
        assert not lay_down(folder, history, tiny_recipe, {})
    assert lay_down(folder, history, tiny_recipe, {})
    assert not lay_down(folder, history, tiny_recipe, {})


def test_when_the_minutes_are_spent_the_last_seeds_are_dropped_and_named(
    quick, drawn_photos, tmp_path, capsys
):
    base = {"norm": "torch-bn", "n": 1, "learning_rate": 0.05}
    quick([base | {"seed": seed} for seed in range(3)], minutes=1e-9)
    run_study("depth", drawn_photos, tmp_path / "runs")
    told = capsys.readouterr().out
    assert "1 of 3 runs are done" in told
    assert told.index("seed=1") < told.index("seed=2")
    facts = json.loads((tmp_path / "tables" / "depth.json").read_text())
    assert (facts["planned"], facts["done"], facts["in_time"]) == (3, 1, False)
    assert (facts["species"], facts["val_photos"]) == (3, 24)
    assert facts["answer"]


def test_a_run_must_fit_into_the_minutes_that_all_commands_side_by_side_have(tiny_recipe):
    study = Study("?", tiny_recipe, [{"seed": 0}], minutes=10)
    rows = [{"seed": seed, "epoch": 1, "split": "train", "seconds": 399.0} for seed in (0, 1)]
    # One thread of two: 20 minutes of two commands; 2 x 399 s and another 399 s fit.
    assert within_time(study, pd.DataFrame(rows))
    rows += [{"seed": 2, "epoch": 1, "split": "train", "seconds": 4.0}]
    assert not within_time(study, pd.DataFrame(rows))
