"""Session lifetime: drops a visitor's uploads and state on leaving; uses Streamlit internals."""

import asyncio
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from threading import Thread
from typing import cast

import streamlit as st
from streamlit.runtime import get_instance
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx
from streamlit.runtime.state import SafeSessionState
from streamlit.runtime.uploaded_file_manager import UploadedFile

# Choices that a visitor takes along, by their key in the address, and to which pages.
CARRIED = {
    "set": ("", "compare", "explain", "many", "results"),
    "species": ("", "compare", "explain"),
}


@dataclass(frozen=True)
class _Session:
    id: str
    state: SafeSessionState


# By id: the timer that drops a session whose browser has gone, and the loop that it runs in.
_leaving: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.TimerHandle]] = {}


def begin_session(page: str) -> None:
    """Begin every page with this: the session is dropped once its browser has gone.

    page: the visitor's. The uploader of the page before is emptied; the photo of the session and
    the choices made for it are kept.
    """
    if context := get_script_run_ctx():
        _session(context.session_id)
        if st.session_state.setdefault("page", page) != page:
            st.session_state.page = page
            context.uploaded_file_mgr.remove_session_files(context.session_id)
            for key, pages in CARRIED.items():
                chosen = st.session_state.get(f"chosen_{key}", "") if page in pages else ""
                st.session_state[f"carried {key}"] = chosen


def forget_uploads(uploads: Iterable[UploadedFile]) -> None:
    """Drop uploads that a page does not take."""
    if context := get_script_run_ctx():
        kept = cast(MemoryUploadedFileManager, context.uploaded_file_mgr)
        for upload in uploads:
            kept.remove_file(context.session_id, upload.file_id)


def _on_release(session: _Session) -> None:
    """Drop a session soon unless its browser comes back.

    Streamlit keeps it that long for a phone that lost its connection, and then until another
    visitor leaves, which in a quiet night may be the morning.
    """
    with suppress(RuntimeError):  # no server, no loop: as in tests of a page
        loop = asyncio.get_running_loop()
        soon = 0.9 * st.get_option("server.disconnectedSessionTTL")
        _leaving[session.id] = loop, loop.call_later(soon, _drop, session)


def _drop(session: _Session) -> None:
    _leaving.pop(session.id, None)
    server = get_instance()
    if not server.is_active_session(session.id):
        server.close_session(session.id)
        # Streamlit keeps a reference to the last visitor's session, and so does the garbage
        # collector's frozen generation: this empties it of photos.
        session.state._state.clear()
        # Closing only marks files for download, such as a ZIP of the photos.
        server.media_file_mgr.remove_orphaned_files()


def _keep(session: str) -> None:
    if session in _leaving:
        loop, timer = _leaving.pop(session)
        loop.call_soon_threadsafe(timer.cancel)


@st.cache_resource(scope="session", show_spinner=False, on_release=_on_release)
def _session(id: str) -> _Session:
    """Runs once a session, and again when its browser has come back before the timer ended."""
    _keep(id)
    context = get_script_run_ctx()
    assert context is not None
    return _Session(id, context.session_state)


def kept_for_download(make: Callable[[], bytes], name: str, mime: str) -> Callable[[], bytes]:
    """Wrap a download button's `make`, so that its file stays until this page runs again.

    Streamlit alone would delete the file as soon as two pages of other visitors have run, even if
    the browser has not fetched it yet.
    """
    context = get_script_run_ctx()

    def made() -> bytes:
        data, files = make(), get_instance().media_file_mgr
        # Streamlit tells a file's session by the thread that adds it.
        keeper = Thread(target=files.add, args=(data, mime, name, name, True))
        add_script_run_ctx(keeper, context).start()
        keeper.join()
        return data

    return made
