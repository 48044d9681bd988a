import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from streamlit_app.batch import answer_batch
from streamlit_app.inference import pool as lanes
from streamlit_app.inference.classifier import CheckpointError, Classifier
from streamlit_app.inference.pool import Lane, answered, start_lanes
from tests.conftest import IMAGE_SIZE, colour_checkpoint, draw_bird, encode
from tests.streamlit_app.files import FRAGILE_LANE, only

BIRD = encode(draw_bird())


@pytest.fixture
def lane(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lane]:
    """The only process that answers, which files of fragile_decoding.py can break."""
    yield from only(monkeypatch, lanes, Lane, FRAGILE_LANE)


def probability(checkpoint: Path) -> float:
    (found,) = answered(checkpoint, IMAGE_SIZE, [lambda: BIRD], thumbnails=False)
    return found["probability"]


def test_processes_are_started_once_and_stay_to_be_asked(lane: Lane, checkpoints: Path) -> None:
    start_lanes()
    process = lane.start()
    start_lanes()
    assert probability(checkpoints / "bn") > 0.8
    assert lane.start() is process


@pytest.mark.parametrize(("word", "advice"), [
    (b"crash", "cannot be opened"),
    (b"spin", "too long"),
    (b"greedy", "too many pixels"),
])  # fmt: skip
@pytest.mark.skipif(os.name != "posix", reason="not all of these limits are there on Windows")
def test_a_file_that_breaks_its_process_is_one_row_and_those_beside_it_are_answered(
    word: bytes, advice: str, lane: Lane, checkpoints: Path
) -> None:
    classifier = Classifier(checkpoints / "bn")
    files = [("a.jpg", lambda: BIRD), ("b.jpg", lambda: word), ("c.jpg", lambda: BIRD)]
    rows = [row for row, _ in answer_batch(classifier, files)]
    assert [row.file for row in rows] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [row.species for row in rows] == ["Red Bird", "", "Red Bird"]
    assert advice in rows[1].error
    assert rows[0].error == rows[2].error == ""


def test_a_checkpoint_that_has_changed_is_opened_anew(lane: Lane, checkpoints: Path) -> None:
    before = probability(checkpoints / "bn")
    process = lane.start()
    colour_checkpoint(checkpoints / "bn", temperature="4")
    assert probability(checkpoints / "bn") < before
    assert lane.start() is process


def test_a_checkpoint_that_is_gone_is_what_is_wrong_and_no_file(
    lane: Lane, checkpoints: Path
) -> None:
    (checkpoints / "bn" / "model.onnx").unlink()
    with pytest.raises(CheckpointError, match=r"The checkpoint bn has no model\.onnx"):
        probability(checkpoints / "bn")
    colour_checkpoint(checkpoints / "bn")
    assert probability(checkpoints / "bn") > 0.8
