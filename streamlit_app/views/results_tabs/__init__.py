"""The tabs of the Results page, a file each."""

from collections.abc import Callable
from typing import Any

import streamlit as st

from streamlit_app.results.reading import ResultsError


def attempt(read: Callable[[], Any]) -> Any:
    """A reader's result; None, and a warning on the page, where its file is damaged."""
    try:
        return read()
    except ResultsError as error:
        st.warning(str(error))
        return None
