import json
from pathlib import Path

import pytest
from safetensors.torch import load_file, save_file

from tests.trainer.conftest import copied
from trainer.checkpoint.export.saliency_onnx import is_current
from trainer.checkpoint.saliency import main
from trainer.checkpoint.write import open_network
from trainer.recipe import Recipe

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def checkpoint(trained, tmp_path_factory) -> Path:
    """A finished run of seconds, in a folder of checkpoints."""
    return copied(trained, tmp_path_factory.mktemp("home") / "checkpoints", "nn") / "nn"


def add(checkpoint: Path, photos: Path) -> int:
    folders = ["--output", str(checkpoint.parents[1] / "runs")]
    folders += ["--checkpoints", str(checkpoint.parent)]
    return main(["--data", str(photos), *folders])


def test_only_what_is_missing_or_of_other_weights_is_made(checkpoint, drawn_photos, capsys):
    file = checkpoint / "saliency.onnx"
    assert add(checkpoint, drawn_photos) == 0
    assert "nn         is up to date" in capsys.readouterr().out
    file.unlink()
    assert add(checkpoint, drawn_photos) == 0
    assert "differs from torch by" in capsys.readouterr().out
    weights = load_file(checkpoint / "weights.safetensors")
    save_file(
        weights | {"conv.weight": -weights["conv.weight"]}, checkpoint / "weights.safetensors"
    )
    assert not is_current(checkpoint)
    assert add(checkpoint, drawn_photos) == 0
    assert is_current(checkpoint)


def test_a_checkpoint_opens_as_its_network_in_eval_mode(checkpoint):
    report = json.loads((checkpoint / "report.json").read_text())
    network = open_network(checkpoint, Recipe.from_report(report["recipe"]), len(report["species"]))
    assert not network.training
    weights = load_file(checkpoint / "weights.safetensors")
    assert all(value.equal(weights[name]) for name, value in network.state_dict().items())


def test_without_photos_a_sentence_says_what_is_expected(tmp_path, capsys):
    assert main(["--data", str(tmp_path)]) == 2
    assert "--data names a folder" in capsys.readouterr().err
