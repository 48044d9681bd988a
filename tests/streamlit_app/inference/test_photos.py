import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from plumage.photos import MAX_BYTES, PhotoError
from streamlit_app.inference import photos
from streamlit_app.inference.photos import Decoder, read_upload
from tests.conftest import draw_bird, encode
from tests.streamlit_app.files import FRAGILE_DECODER, only


def refusal(data: bytes) -> str:
    with pytest.raises(PhotoError) as caught:
        read_upload(data)
    return str(caught.value)


@pytest.fixture
def decoder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Decoder]:
    """The only process that decodes, which files of fragile_decoding.py can break."""
    yield from only(monkeypatch, photos, Decoder, FRAGILE_DECODER)


@pytest.mark.parametrize(("word", "advice"), [
    (b"crash", "cannot be opened"),
    (b"spin", "too long"),
    (b"sleep", "too long"),
    (b"greedy", "too many pixels"),
])  # fmt: skip
@pytest.mark.skipif(os.name != "posix", reason="not all of these limits are there on Windows")
def test_a_file_that_breaks_the_decoder_gets_a_sentence_and_the_next_a_photo(
    word: bytes, advice: str, decoder: Decoder
) -> None:
    good = encode(draw_bird())
    assert read_upload(good).size == draw_bird().size
    before = decoder.start().pid
    assert advice in refusal(word)
    assert read_upload(good).size == draw_bird().size
    assert (decoder.start().pid == before) == (word == b"greedy")


@pytest.mark.skipif(os.name != "posix", reason="processes are killed by signals")
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize(("ended", "advice"), [
    ("SIGSEGV", "cannot be opened"),
    ("SIGKILL", "ran short of memory"),
])  # fmt: skip
def test_a_process_that_is_killed_while_it_decodes_or_waits_is_replaced(
    ended: str, advice: str, decoder: Decoder
) -> None:
    good = encode(draw_bird())
    read_upload(good)
    with ThreadPoolExecutor(1) as pool:
        refused = pool.submit(refusal, b"sleep")
        time.sleep(0.2)
        os.kill(decoder.start().pid, getattr(signal, ended))
        assert advice in refused.result()
    assert read_upload(good).size == draw_bird().size
    waiting = decoder.start()
    waiting.kill()
    waiting.wait()
    assert read_upload(good).size == draw_bird().size  # no fault of this photo


def test_after_an_interrupted_request_no_file_gets_another_ones_photo(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:

        def interrupt(stream: object) -> NoReturn:
            raise KeyboardInterrupt

        patch.setattr(photos, "_response", interrupt)
        with pytest.raises(KeyboardInterrupt):
            read_upload(encode(draw_bird(size=(40, 40))))
    assert read_upload(encode(draw_bird(size=(60, 50)))).size == (60, 50)


def test_photos_of_many_threads_are_not_mixed_up() -> None:
    sizes = [(40 + number, 90 - number) for number in range(40)]
    with ThreadPoolExecutor(8) as pool:
        found = pool.map(lambda size: read_upload(encode(draw_bird(size=size))).size, sizes)
        assert list(found) == sizes


def test_a_file_too_large_for_a_page_is_refused_before_it_is_decoded(decoder: Decoder) -> None:
    assert "more than 50 MB" in refusal(bytes(MAX_BYTES + 1))


def test_where_decoding_does_not_start_no_photo_is_blamed(
    decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Decoder, "command", [sys.executable, "-c", ""])
    with pytest.raises(OSError, match="does not start"):
        read_upload(encode(draw_bird()))
