import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from plumage.looks import LOOKS
from streamlit_app.inference.classifier import Classifier
from tests.trainer.conftest import SPECIES, draw_photo, train_command, trained_recipe
from trainer.__main__ import main
from trainer.checkpoint import __main__ as export_again
from trainer.checkpoint import predictions, saliency, write
from trainer.checkpoint.export.saliency_onnx import is_current
from trainer.data.photo_folder import PhotoFolder
from trainer.evaluate import comparison, leakage, ood, robustness
from trainer.explain import __main__ as explain
from trainer.metrics import onnx_outputs, scores
from trainer.recipe import Recipe

FILES = {"model.onnx", "saliency.onnx", "weights.safetensors", "report.json", "history.csv"}


@pytest.fixture(scope="module")
def recipe(trained, drawn_photos) -> Recipe:
    """A run of seconds with batch-instance norm on drawn photos."""
    return trained_recipe("bin", drawn_photos, trained)


@pytest.fixture
def finished(trained) -> Path:
    """That run, finished."""
    return trained / "bin"


@pytest.mark.slow
def test_a_run_ends_with_a_whole_checkpoint(finished):
    names = {path.name for path in finished.iterdir()}
    assert names == FILES
    assert is_current(finished)
    assert set(pd.read_csv(finished / "history.csv").epoch) == {1, 2}
    assert "conv.weight" in load_file(finished / "weights.safetensors")


@pytest.mark.slow
def test_the_report_holds_recipe_counts_versions_and_scores_with_intervals(finished):
    report = json.loads((finished / "report.json").read_text())
    assert report["recipe"]["norm"] == "bin"
    assert report["photos"]["train"]["count"] == 72
    assert report["species"] == ["Blue-Disc", "Green-Bar", "Red-Ring"]
    assert report["versions"]["torch"]
    assert report["export_differences"]["saliency"] <= 1e-4
    for split in ("train", "val", "test"):
        for score in ("accuracy", "micro_f1", "macro_f1"):
            value = report["metrics"][split][score]
            assert 0 <= value["low"] <= value["value"] <= value["high"] <= 1


@pytest.mark.slow
def test_the_reported_speed_is_of_the_photos_that_were_trained_on(finished):
    report = json.loads((finished / "report.json").read_text())
    history = pd.read_csv(finished / "history.csv")
    seconds = history[history.split == "train"].seconds.sum()
    assert report["photos_per_second"] == pytest.approx(3 * 20 * 2 / seconds, rel=0.01)


@pytest.mark.slow
def test_the_reported_accuracy_is_that_of_the_exported_file(finished, drawn_photos, tmp_path):
    report = json.loads((finished / "report.json").read_text())
    test = PhotoFolder(drawn_photos).load("test", 32, tmp_path)
    answers = onnx_outputs(finished / "model.onnx", test.pixels, "logits")[0].argmax(axis=1)
    expected = scores(test.labels, answers)
    assert {name: s["value"] for name, s in report["metrics"]["test"].items()} == expected


@pytest.mark.slow
def test_what_a_run_asked_its_model_is_not_asked_again(recipe, finished, monkeypatch):
    def refuse(*_):
        raise AssertionError("the model was asked")

    monkeypatch.setattr(predictions, "onnx_outputs", refuse)
    test = PhotoFolder(Path(recipe.data)).load("test", 32, Path(recipe.output) / "cache")
    found = predictions.cached_predictions(finished / "model.onnx", test)
    assert len(found.logits) == len(test.labels)


@pytest.mark.slow
def test_a_run_on_class_folders_that_is_stopped_while_measured_is_completed_by_resume(
    tmp_path, monkeypatch, capsys
):
    rng, photos = np.random.default_rng(0), tmp_path / "photos"
    for name, kind in SPECIES.items():
        (photos / name).mkdir(parents=True)
        for number in range(12):
            draw_photo(kind, rng).save(photos / name / f"{number}.png")
    command = train_command("nn", photos, tmp_path / "runs")

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(write, "measure_model", stop)
        assert main(command) == 130
    folder = tmp_path / "runs" / "nn"
    assert "can answer photos; measuring it on test photos" in capsys.readouterr().out
    before = {name: (folder / name).read_bytes() for name in ("model.onnx", "saliency.onnx")}
    assert Classifier(folder).looks == LOOKS
    assert not (folder / "report.json").exists()
    assert main([*command, "--resume"]) == 0
    assert {name: (folder / name).read_bytes() for name in before} == before
    assert {path.name for path in folder.iterdir()} == {*FILES, "splits.csv"}
    report = json.loads((folder / "report.json").read_text())
    assert set(report["metrics"]) == {"train", "val", "test"}
    assert report["looks"]["metrics"]["test"]


@pytest.mark.parametrize(
    "command",
    [comparison, explain, export_again, leakage, ood, robustness, saliency],
    ids=lambda command: command.__name__,
)
def test_a_command_on_checkpoints_refuses_none_and_those_of_other_species(
    command, drawn_photos, tmp_path, capsys
):
    given = ["--data", str(drawn_photos), "--checkpoints", str(tmp_path)]
    assert command.main(given) == 2
    assert "--checkpoints names the folder" in capsys.readouterr().err
    (tmp_path / "bn").mkdir()
    (tmp_path / "bn" / "report.json").write_text('{"species": ["Dodo", "Kiwi"]}')
    assert command.main(given) == 2
    assert "holds other species than the checkpoint bn" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"bn"}
