import json
from pathlib import Path

import pytest

from tests.trainer.conftest import copied
from trainer.checkpoint import write
from trainer.checkpoint.__main__ import main
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet

pytestmark = pytest.mark.slow


def test_a_model_written_again_says_the_same(trained: Path, drawn_photos: Path, tmp_path: Path):
    report = copied(trained, tmp_path / "kept", "nn") / "nn" / "report.json"
    before = json.loads(report.read_text())
    given = ["--data", str(drawn_photos), "--output", str(tmp_path)]
    assert main([*given, "--checkpoints", str(tmp_path / "kept")]) == 0
    after = json.loads(report.read_text())
    for same in ("recipe", "temperature", "metrics", "prediction_sets"):
        assert after[same] == before[same]
    assert after["novelty"]["threshold"] == pytest.approx(before["novelty"]["threshold"], rel=1e-4)


def test_the_model_that_is_served_stays_whole_until_the_new_one_is(
    trained: Path, drawn_photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    folder = copied(trained, tmp_path / "kept", "nn") / "nn"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}

    def stopped(model: Path, photos: PhotoSet) -> None:
        assert (folder / "model.onnx").read_bytes() == before["model.onnx"]
        raise KeyboardInterrupt

    monkeypatch.setattr(write, "cached_predictions", stopped)
    with pytest.raises(KeyboardInterrupt):
        write.export_again(folder, PhotoFolder(drawn_photos), tmp_path / "cache")
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_an_unknown_variant_is_refused(
    drawn_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    given = ["--data", str(drawn_photos), "--checkpoints", str(tmp_path), "--variant", "bn"]
    assert main(given) == 2
    assert "holds no checkpoint bn" in capsys.readouterr().err
