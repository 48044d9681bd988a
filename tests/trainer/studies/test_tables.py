import pandas as pd
import pytest
from filelock import FileLock

from trainer.run_folder import TrainingError
from trainer.studies import probes, runs
from trainer.studies.definitions import feature_percentiles
from trainer.studies.runs import run_study
from trainer.studies.tables import materialise_run


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
    probes.load_cached.cache_clear()  # the next command is another process
    with pytest.raises(TrainingError, match="is of other photos than"):
        run_study("depth", photo_folder, tmp_path / "elsewhere")
    made.clear()
    run_study("depth", photo_folder, tmp_path / "of other photos")
    assert len(made) == 3


@pytest.mark.slow
def test_scores_on_test_and_probes_are_resumed_too(quick, drawn_photos, tmp_path, monkeypatch):
    change = {"norm": "nn", "n": 1, "learning_rate": 0.01, "seed": 0}
    quick([change], test=True, probe=feature_percentiles)
    run_study("depth", drawn_photos, tmp_path / "runs")
    before = [(tmp_path / "tables" / f"depth.{kind}").read_bytes() for kind in ("csv", "json")]
    monkeypatch.setattr(runs, "finish", lambda *_: pytest.fail("made again"))
    run_study("depth", drawn_photos, tmp_path / "elsewhere")
    after = [(tmp_path / "tables" / f"depth.{kind}").read_bytes() for kind in ("csv", "json")]
    assert after == before


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
    folder, provenance = tmp_path / "run", {"recipe": tiny_recipe.as_dict(), "photos": {}}
    folder.mkdir()
    with FileLock(folder / ".lock"):
        assert not materialise_run(folder, history, provenance)
    assert materialise_run(folder, history, provenance)
    assert not materialise_run(folder, history, provenance)
