import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pytest
import streamlit as st
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.state import SafeSessionState, SessionState
from streamlit.testing.v1 import AppTest

from streamlit_app.ui import session
from streamlit_app.ui.session import kept_for_download

MAIN = Path(__file__).parents[3] / "streamlit_app" / "main.py"


def test_what_was_uploaded_to_a_page_is_forgotten_on_the_next(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[str] = []
    monkeypatch.setattr(
        MemoryUploadedFileManager, "remove_session_files", lambda _, visit: forgotten.append(visit)
    )
    app = AppTest.from_file(str(MAIN), default_timeout=300).run()
    app.run()
    assert not forgotten
    app.switch_page("views/many.py").run()
    assert len(forgotten) == 1


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The sessions that were closed, in a server that nobody is connected to."""
    closed: list[str] = []
    files = MediaFileManager(MemoryMediaFileStorage("/media"))
    server = SimpleNamespace(
        is_active_session=lambda _: False,
        close_session=closed.append,
        media_file_mgr=files,
    )
    monkeypatch.setattr(session, "get_instance", lambda: server)
    monkeypatch.setattr(st, "get_option", lambda name: 0.05)  # seconds to come back
    return closed


@pytest.mark.parametrize("back", [False, True])
def test_a_session_is_emptied_once_it_is_over_and_not_if_its_browser_is_back(
    back: bool, closed: list[str]
) -> None:
    state = SafeSessionState(SessionState(), lambda: None)
    state["named"] = "a bird"

    async def leave() -> None:
        session._on_release(session._Session("visitor", state))
        if back:
            session._keep("visitor")
        await asyncio.sleep(0.2)

    with ThreadPoolExecutor(1) as pool:  # the browser tests' loop is still in this one
        pool.submit(asyncio.run, leave()).result()
    assert closed == ([] if back else ["visitor"])
    assert ("named" in state) == back
    assert not session._leaving


def test_what_is_to_be_downloaded_stays_while_others_come_and_go(
    files: MediaFileManager, monkeypatch: pytest.MonkeyPatch
) -> None:
    def pages_of_others_run() -> None:
        for _ in range(3):
            files.remove_orphaned_files()

    visit = SimpleNamespace(session_id="visitor")
    monkeypatch.setattr(session, "get_script_run_ctx", lambda: visit)
    button = "birds.zip", "application/zip"
    make = kept_for_download(lambda: b"birds", *button)
    pressed = files.add_deferred(make, button[1], "where it stands", button[0])
    photos = Path(files.execute_deferred(pressed)).stem
    pages_of_others_run()
    kept = files.read_file(photos)
    assert kept is not None
    assert kept.content == b"birds"
    files.clear_session_refs("visitor")
    pages_of_others_run()
    assert files.read_file(photos) is None
