from pathlib import Path

import numpy as np
import pytest

from tests.conftest import SPECIES, colour_checkpoint, draw_bird
from trainer.audit.detect.inference import FAST, Network, networks


@pytest.fixture
def pixels() -> np.ndarray:
    photos = [draw_bird(colour, (160, 160)) for colour in ("red", "blue", "red")]
    return np.stack([np.asarray(photo) for photo in photos])


def answered(network: Network, pixels: np.ndarray) -> list[str]:
    logits = network.logits(pixels, np.arange(len(pixels)))
    return [SPECIES[i] for i in logits.argmax(axis=1)]


@pytest.mark.parametrize("in_8_bits", [False, True])
def test_photos_are_answered_upright_and_upside_down(tmp_path: Path, pixels, in_8_bits):
    model = colour_checkpoint(tmp_path / "bn") / "model.onnx"
    network = Network(model, calibrate_with=pixels if in_8_bits else None)
    assert answered(network, pixels) == ["Red Bird", "Blue Bird", "Red Bird"]
    upright, flipped = (network.logits(pixels, np.array([1, 2]), way) for way in (False, True))
    assert len(upright) == 2
    np.testing.assert_allclose(flipped, upright, atol=1e-4)


def test_probabilities_are_of_the_species_asked_for_and_none_where_one_is_unknown(
    tmp_path: Path, pixels
):
    network = Network(colour_checkpoint(tmp_path / "bn") / "model.onnx")
    logits = network.logits(pixels, np.arange(3))
    assert network.columns(["Blue Bird", "Dodo"]).tolist() == [2, -1]
    assert network.probabilities(logits, ["Blue Bird", "Dodo"]) is None
    some = network.probabilities(logits, ["Blue Bird", "Red Bird"])
    assert some.argmax(axis=1).tolist() == [1, 0, 1]


def test_without_the_quick_variant_the_asked_one_answers_all(tmp_path: Path, pixels):
    colour_checkpoint(tmp_path / "bin")
    accurate, fast = networks(tmp_path, "bin", pixels)
    assert accurate is fast
    colour_checkpoint(tmp_path / FAST)
    assert answered(networks(tmp_path, "bin", pixels)[1], pixels)[1] == "Blue Bird"
