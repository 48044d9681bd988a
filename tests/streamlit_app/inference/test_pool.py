import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from benchmarks.client.visitor import wait_until
from plumage.photos import MAX_BYTES, PhotoError
from streamlit_app.inference import pool
from streamlit_app.inference.classifier import CheckpointError, Classifier
from streamlit_app.inference.pool import Worker, classify_files, decode_photo
from streamlit_app.inference.table import rows_of_batch
from tests.conftest import colour_checkpoint, draw_bird, encode
from tests.streamlit_app.files import only_worker

BIRD = encode(draw_bird())


@pytest.fixture
def classifying(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """The only worker that classifies, which files of fragile_worker.py can break."""
    yield from only_worker(monkeypatch, "classifiers")


def probability(checkpoint: Path) -> float:
    (found,) = classify_files(checkpoint, False, [lambda: BIRD], thumbnails=False)
    return found["probability"]


def test_workers_are_started_once_and_serve_every_request(
    classifying: Worker, checkpoints: Path
) -> None:
    pool.classifiers.warm_up()
    process = classifying.start()
    pool.classifiers.warm_up()
    assert probability(checkpoints / "bn") > 0.8
    assert classifying.start() is process


@pytest.mark.parametrize(("word", "advice"), [
    (b"crash", "cannot be opened"),
    (b"spin", "too long"),
    (b"greedy", "too many pixels"),
])  # fmt: skip
@pytest.mark.skipif(os.name != "posix", reason="not all of these limits are there on Windows")
def test_a_file_that_breaks_its_worker_is_one_row_and_those_beside_it_are_classify_files(
    word: bytes, advice: str, classifying: Worker, checkpoints: Path
) -> None:
    classifier = Classifier(checkpoints / "bn")
    files = [("a.jpg", lambda: BIRD), ("b.jpg", lambda: word), ("c.jpg", lambda: BIRD)]
    rows = [row for row, _ in rows_of_batch(classifier, files)]
    assert [row.file for row in rows] == ["a.jpg", "b.jpg", "c.jpg"]
    assert [row.species for row in rows] == ["Red Bird", "", "Red Bird"]
    assert advice in rows[1].error
    assert rows[0].error == rows[2].error == ""


def test_a_checkpoint_that_has_changed_is_opened_again(
    classifying: Worker, checkpoints: Path
) -> None:
    before = probability(checkpoints / "bn")
    process = classifying.start()
    colour_checkpoint(checkpoints / "bn", temperature="4")
    assert probability(checkpoints / "bn") < before
    assert classifying.start() is process


def test_a_checkpoint_that_is_gone_is_what_is_wrong_and_no_file(
    classifying: Worker, checkpoints: Path
) -> None:
    (checkpoints / "bn" / "model.onnx").unlink()
    with pytest.raises(CheckpointError, match=r"The checkpoint bn has no model\.onnx"):
        probability(checkpoints / "bn")
    colour_checkpoint(checkpoints / "bn")
    assert probability(checkpoints / "bn") > 0.8


def refusal(data: bytes) -> str:
    with pytest.raises(PhotoError) as caught:
        decode_photo(data)
    return str(caught.value)


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Worker]:
    """The only worker that decodes, which files of fragile_worker.py can break."""
    yield from only_worker(monkeypatch, "decoders")


@pytest.mark.parametrize(("word", "advice"), [
    (b"crash", "cannot be opened"),
    (b"spin", "too long"),
    (b"sleep", "too long"),
    (b"greedy", "too many pixels"),
])  # fmt: skip
@pytest.mark.skipif(os.name != "posix", reason="not all of these limits are there on Windows")
def test_a_file_that_breaks_the_decoder_gets_a_sentence_and_the_next_a_photo(
    word: bytes, advice: str, decoder: Worker
) -> None:
    good = encode(draw_bird())
    assert decode_photo(good).size == draw_bird().size
    before = decoder.start().pid
    assert advice in refusal(word)
    assert decode_photo(good).size == draw_bird().size
    assert (decoder.start().pid == before) == (word == b"greedy")


@pytest.mark.skipif(os.name != "posix", reason="processes are killed by signals")
@pytest.mark.parametrize(("ended", "advice"), [
    ("SIGSEGV", "cannot be opened"),
    ("SIGKILL", "ran short of memory"),
])  # fmt: skip
def test_a_process_that_is_killed_while_it_decodes_or_waits_is_replaced(
    ended: str, advice: str, decoder: Worker, tmp_path: Path
) -> None:
    good, asleep = encode(draw_bird()), tmp_path / "asleep"
    decode_photo(good)
    with ThreadPoolExecutor(1) as threads:
        refused = threads.submit(refusal, b"sleep" + str(asleep).encode())
        wait_until(asleep.exists)
        os.kill(decoder.start().pid, getattr(signal, ended))
        assert advice in refused.result()
    assert decode_photo(good).size == draw_bird().size
    waiting = decoder.start()
    waiting.kill()
    waiting.wait()
    assert decode_photo(good).size == draw_bird().size  # no fault of this photo


def test_after_an_interrupted_request_no_file_gets_another_ones_photo(
    decoder: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def interrupt(stream: object) -> NoReturn:
            raise KeyboardInterrupt

        patch.setattr(pool, "_receive_photo", interrupt)
        with pytest.raises(KeyboardInterrupt):
            decode_photo(encode(draw_bird(size=(40, 40))))
    assert decode_photo(encode(draw_bird(size=(60, 50)))).size == (60, 50)


def test_photos_of_many_threads_are_not_mixed_up() -> None:
    sizes = [(40 + number, 90 - number) for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        found = threads.map(lambda size: decode_photo(encode(draw_bird(size=size))).size, sizes)
        assert list(found) == sizes


def test_a_file_too_large_for_a_page_is_refused_before_it_is_decoded(decoder: Worker) -> None:
    assert "more than 50 MB" in refusal(bytes(MAX_BYTES + 1))


def test_where_decoding_does_not_start_no_photo_is_blamed(
    decoder: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Worker, "command", (sys.executable, "-c", ""))
    with pytest.raises(OSError, match="does not start"):
        decode_photo(encode(draw_bird()))
