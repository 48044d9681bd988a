from pathlib import Path

import pytest

from streamlit_app.classifier import Classifier, checkpoints_folder, stamps
from streamlit_app.serving import answer_to, described, photo_in, variants_at
from tests.conftest import colour_checkpoint, draw_bird, encode


def test_a_photo_is_answered_once_for_each_variant(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stamp = stamps(checkpoints_folder())
    photo = encode(draw_bird("blue"))
    first = answer_to(photo, "bn", stamp)
    monkeypatch.setattr(Classifier, "answer", lambda *_: pytest.fail("the model was run again"))
    assert answer_to(photo, "bn", stamp).ranking(0) == first.ranking(0)
    assert photo_in(photo).size == draw_bird("blue").size


def test_a_changed_checkpoint_is_opened_and_asked_anew(checkpoints: Path) -> None:
    photo = encode(draw_bird("red"))
    before = answer_to(photo, "bn", stamps(checkpoints))
    colour_checkpoint(checkpoints / "bn", temperature="4")
    after = answer_to(photo, "bn", stamps(checkpoints))
    assert after.ranking(0)[0][1] < before.ranking(0)[0][1]


def test_a_folder_of_studies_is_no_broken_variant(checkpoints: Path) -> None:
    (checkpoints / "studies").mkdir()
    variants, faults = variants_at(stamps(checkpoints))
    assert list(variants) == ["bn"]
    assert not faults


def test_a_norm_that_is_not_of_the_study_still_has_words() -> None:
    assert described("gn", "gn") == "gn: group norm"
    assert described("mine", "mine") == "mine: another norm"
