"""An answer to take along: as a picture, a link and text."""

import io
from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlencode

import streamlit as st
from PIL import Image

from streamlit_app.ui.heatmaps import captioned
from streamlit_app.ui.session import kept_for_download


def share(
    name: str, words: str, address: Mapping[str, str], picture: Callable[[], Image.Image] | None
) -> None:
    """A menu with the picture above its words, a link to the page's state, and the words.

    name: of the photo's file. address: the page's parameters; the photo is not in the link.
    """

    def as_jpeg() -> bytes:
        assert picture is not None
        file = io.BytesIO()
        captioned(picture(), words).save(file, "JPEG", quality=90)
        return file.getvalue()

    with st.popover("Share", icon=":material/share:"):
        if picture:
            file = f"{Path(name).stem}-plumage.jpg", "image/jpeg"
            st.download_button(
                "Download the picture",
                kept_for_download(as_jpeg, *file),
                *file,
                on_click="ignore",
                icon=":material/download:",
            )
        st.markdown("Text")
        st.code(words, language=None, wrap_lines=True)
        st.markdown("Link, without the photo")
        link = f"{st.context.url or ''}?{urlencode({k: v for k, v in address.items() if v})}"
        st.code(link, language=None, wrap_lines=True)
