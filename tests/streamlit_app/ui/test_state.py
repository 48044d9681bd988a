import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import Headers
from starlette.formparsers import MultiPartParser
from streamlit.testing.v1 import AppTest

from streamlit_app.inference.classifier import Classifier, Prediction, version_of
from streamlit_app.inference.limits import ConcurrencyLimiter
from streamlit_app.markdown import escape_markdown
from streamlit_app.ui import state
from streamlit_app.ui.state import variant_label, variants_at
from tests.conftest import colour_checkpoint, draw_bird, encode

APP = Path(__file__).parents[3] / "streamlit_app"


def answered(photo: bytes, times: int = 1) -> list[Prediction]:
    """What the only variant says to a visitor who asks some times."""

    def page(photo: bytes, times: int) -> None:
        import streamlit as st

        from streamlit_app.inference.classifier import checkpoints_folder, version_of
        from streamlit_app.ui.state import decoded, predict

        version = version_of(checkpoints_folder())
        st.session_state.answers = [predict(photo, "bn", version) for _ in range(times)]
        assert decoded(photo) is decoded(photo)

    app = AppTest.from_function(page, kwargs={"photo": photo, "times": times}, default_timeout=300)
    app.run()
    assert not app.exception
    answers: list[Prediction] = app.session_state.answers
    return answers


def test_a_photo_is_answered_once_for_each_variant(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    real = Classifier.classify
    monkeypatch.setattr(Classifier, "classify", lambda *args: asked.append(args) or real(*args))
    first, second = answered(encode(draw_bird("blue")), times=2)
    assert first is second
    assert len(asked) == 1


def test_a_changed_checkpoint_is_opened_and_asked_anew(checkpoints: Path) -> None:
    photo = encode(draw_bird("red"))
    (before,) = answered(photo)
    colour_checkpoint(checkpoints / "bn", temperature="4")
    (after,) = answered(photo)
    assert after.ranking(0)[0][1] < before.ranking(0)[0][1]


def test_where_too_many_wait_a_page_says_so_and_offers_to_try_again(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = AppTest.from_file(str(APP / "views/identify.py"), default_timeout=300).run()
    app.file_uploader(key="photo").set_value(("bird.jpg", encode(draw_bird("red")), "image/jpeg"))
    monkeypatch.setattr(state, "ANSWER_SLOTS", ConcurrencyLimiter(at_once=0, waiting=0))
    app.run()
    assert not app.exception
    assert "please try again in a moment" in app.warning[0].value
    monkeypatch.setattr(state, "ANSWER_SLOTS", ConcurrencyLimiter(at_once=1, waiting=0))
    app.button(key="again").click().run()
    assert "Red Bird" in app.header[0].value
    assert not app.warning


def test_a_fault_is_shown_letter_by_letter(checkpoints: Path) -> None:
    colour_checkpoint(checkpoints / "*gn* [x](http:y) :red[z] $1$", temperature="0")
    app = AppTest.from_file(str(APP / "views/compare.py"), default_timeout=300).run()
    assert "".join(app.warning[0].value.split("\\")) == (
        "The checkpoint *gn* [x](http:y) :red[z] $1$ has a temperature of 0.0."
    )
    assert escape_markdown("a_b *c*") == r"a\_b \*c\*"


def test_an_upload_is_never_written_to_a_file(checkpoints: Path) -> None:
    AppTest.from_file(str(APP / "main.py"), default_timeout=300).run()
    body = b'--x\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n'
    body += bytes(5_000_000) + b"\r\n--x--\r\n"

    async def stream() -> Any:
        yield body

    headers = Headers({"content-type": "multipart/form-data; boundary=x"})
    # In a thread of its own, since Playwright keeps a loop running in this one.
    with ThreadPoolExecutor() as pool:
        form = pool.submit(asyncio.run, MultiPartParser(headers, stream()).parse()).result()
    assert not form["f"].file._rolled  # type: ignore[union-attr]


def test_a_folder_without_a_model_is_no_broken_variant(checkpoints: Path) -> None:
    (checkpoints / "results" / "studies").mkdir(parents=True)
    variants, faults = variants_at(version_of(checkpoints))
    assert list(variants) == ["bn"]
    assert not faults


def test_a_norm_that_is_not_of_the_study_still_has_words() -> None:
    assert variant_label("gn", "gn") == "gn: group norm"
    assert variant_label("mine", "mine") == "mine: another norm"
