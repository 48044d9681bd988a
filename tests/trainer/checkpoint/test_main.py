import json
from dataclasses import replace
from pathlib import Path

import pytest

from trainer.checkpoint import write as checkpoint
from trainer.checkpoint.__main__ import main
from trainer.checkpoint.write import make_checkpoint
from trainer.data import PhotoFolder, PhotoSet
from trainer.recipe import Recipe


def test_a_model_written_again_says_the_same(
    tiny_recipe: Recipe, drawn_photos: Path, tmp_path: Path
):
    recipe = replace(tiny_recipe, data=str(drawn_photos), output=str(tmp_path))
    make_checkpoint(recipe, tmp_path / "kept" / "gn", resume=False)
    report = tmp_path / "kept" / "gn" / "report.json"
    before = json.loads(report.read_text())
    given = ["--data", str(drawn_photos), "--output", str(tmp_path)]
    assert main([*given, "--checkpoints", str(tmp_path / "kept")]) == 0
    after = json.loads(report.read_text())
    for same in ("recipe", "temperature", "metrics", "prediction_sets"):
        assert after[same] == before[same]
    assert after["novelty"]["threshold"] == pytest.approx(before["novelty"]["threshold"], rel=1e-4)


def test_the_model_that_is_served_stays_whole_until_the_new_one_is(
    tiny_recipe: Recipe, drawn_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    recipe = replace(tiny_recipe, data=str(drawn_photos), output=str(tmp_path))
    folder = tmp_path / "kept" / "nn"
    make_checkpoint(replace(recipe, norm="nn"), folder, resume=False)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def stopped(model: Path, photos: PhotoSet) -> None:
        assert (folder / "model.onnx").read_bytes() == before["model.onnx"]
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "answers_of", stopped)
    with pytest.raises(KeyboardInterrupt):
        checkpoint.export_again(folder, PhotoFolder(drawn_photos), tmp_path / "cache")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_unknown_variant_is_refused(
    drawn_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    given = ["--data", str(drawn_photos), "--checkpoints", str(tmp_path), "--variant", "bn"]
    assert main(given) == 2
    assert "holds no checkpoint bn" in capsys.readouterr().err
