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


@dataclass(frozen=True)
class _Visit:
    session: str
    state: SafeSessionState


# By session: what will forget a visit whose browser has gone.
_leaving: dict[str, tuple[asyncio.AbstractEventLoop, asyncio.TimerHandle]] = {}


def begin_visit(page: str) -> None:
    """Every page begins with it: the visit will be forgotten when it is over.

    page: where the visitor is. What was uploaded to the page before is forgotten already: coming
    back to that page starts without it.
    """
    if context := get_script_run_ctx():
        _visit(context.session_id)
        if st.session_state.setdefault("page", page) != page:
            st.session_state.page = page
            context.uploaded_file_mgr.remove_session_files(context.session_id)


def forget_uploads(uploads: Iterable[UploadedFile]) -> None:
    """What a page does not take stays in nobody's memory."""
    if context := get_script_run_ctx():
        kept = cast(MemoryUploadedFileManager, context.uploaded_file_mgr)
        for upload in uploads:
            kept.remove_file(context.session_id, upload.file_id)


def _end_of_visit(visit: _Visit) -> None:
    """Forget a visit for good unless its browser comes back.

    Streamlit keeps it so long for a phone that lost its connection, and then until somebody else
    leaves, which in a quiet night may be the morning.
    """
    with suppress(RuntimeError):  # no server, no loop: as in tests of a page
        loop = asyncio.get_running_loop()
        soon = 0.9 * st.get_option("server.disconnectedSessionTTL")
        _leaving[visit.session] = loop, loop.call_later(soon, _forget, visit)


def _forget(visit: _Visit) -> None:
    _leaving.pop(visit.session, None)
    server = get_instance()
    if not server.is_active_session(visit.session):
        server.close_session(visit.session)
        # Streamlit still holds on to the last visitor's session, and so does whatever was frozen
        # for the garbage collector. There are no photos in it any more.
        visit.state._state.clear()
        # Closing only marks what was there to be downloaded, as a ZIP of the photos.
        server.media_file_mgr.remove_orphaned_files()


def _stay(session: str) -> None:
    if session in _leaving:
        loop, timer = _leaving.pop(session)
        loop.call_soon_threadsafe(timer.cancel)


@st.cache_resource(scope="session", show_spinner=False, on_release=_end_of_visit)
def _visit(session: str) -> _Visit:
    """Runs once, and again for a browser that has come back: until then it was to be forgotten."""
    _stay(session)
    context = get_script_run_ctx()
    assert context is not None
    return _Visit(session, context.session_state)


def kept_for_download(make: Callable[[], bytes], name: str, mime: str) -> Callable[[], bytes]:
    """The same, for a download button to call when it is pressed, with what it makes kept.

    Streamlit alone would throw the file away as soon as two pages of other visitors have run, even
    if the browser has not fetched it yet. Here it stays until this visitor's page runs again.
    """
    context = get_script_run_ctx()

    def made() -> bytes:
        data, files = make(), get_instance().media_file_mgr
        # Streamlit knows by the thread which visit a file is of.
        keeper = Thread(target=files.add, args=(data, mime, name, name, True))
        add_script_run_ctx(keeper, context).start()
        keeper.join()
        return data

    return made
