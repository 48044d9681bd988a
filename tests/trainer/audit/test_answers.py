import numpy as np

from tests.conftest import SPECIES, colour_checkpoint, draw_bird
from trainer.audit.answers import answer
from trainer.audit.survey import Pixels


def test_every_photo_is_answered_upright_and_upside_down(tmp_path):
    photos = [draw_bird(colour, (160, 160)) for colour in ("red", "blue", "red")]
    pixels = Pixels([np.stack([np.asarray(photo) for photo in photos])])
    answers = answer(colour_checkpoint(tmp_path / "bn") / "model.onnx", pixels)
    assert [SPECIES[i] for i in answers.upright.argmax(axis=1)] == [
        "Red-Bird",
        "Blue-Bird",
        "Red-Bird",
    ]
    np.testing.assert_allclose(answers.flipped, answers.upright, atol=1e-4)
    assert answers.columns(["Blue-Bird", "Dodo"]).tolist() == [2, -1]
    assert answers.probabilities(["Blue-Bird", "Dodo"]) is None
    some = answers.probabilities(["Blue-Bird", "Red-Bird"])
    assert some.argmax(axis=1).tolist() == [1, 0, 1]
