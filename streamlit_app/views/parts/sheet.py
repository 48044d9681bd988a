"""The sheet that Identify, Compare and Explain share: upload, view of the photo, and answer."""

from typing import NamedTuple

import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from streamlit_app.ui.examples import choose_example
from streamlit_app.ui.photo import Photo, choose_photo, show_kept
from streamlit_app.ui.state import Served, decoded_or_fault

# On a desk, the photo stands beside upload and answer; on a phone, between them. The answer has no
# place before its words are complete, so that nothing of it is pushed down.
STYLE = """<style>
.st-key-upload, .st-key-answer { min-width: 0; }
.st-key-sheet > :has(> .st-key-answer):not(:has(.complete, .st-key-words .stAlert)),
.st-key-words > :has(.complete) { display: none; }
@media (min-width: 641px) {
    .st-key-sheet { display: grid; grid-template-rows: auto 1fr; gap: 1rem 1.5rem;
        grid-template-columns: minmax(0, 4fr) minmax(0, 3fr); }
    .st-key-sheet > :has(> .st-key-upload) { grid-area: 1 / 1; }
    .st-key-sheet > :has(> .st-key-view) { grid-area: 1 / 2 / span 2; }
    .st-key-sheet > :has(> .st-key-answer) { grid-area: 2 / 1; }
}
</style>"""


class Sheet(NamedTuple):
    """The places of a page about one photo, in the order of a phone.

    welcome, guide: in the view and below the sheet, while there is no photo. words: atop the
    answer.
    """

    view: DeltaGenerator
    answer: DeltaGenerator
    words: DeltaGenerator
    welcome: DeltaGenerator
    guide: DeltaGenerator

    def complete(self) -> None:
        """Show the answer, now that its words are complete."""
        self.words.html("<i class='complete'></i>")


class Opened(NamedTuple):
    """A photo as it was given, and decoded."""

    given: Photo
    photo: Image.Image


def open_sheet(served: Served, introduction: str) -> tuple[Sheet, Opened | None]:
    """Ask for a photo; until there is one, None below an introduction and examples."""
    st.html(STYLE)
    with st.container(key="sheet"):
        upload, view, answer = (st.container(key=key) for key in ("upload", "view", "answer"))
        words = answer.container(key="words")
    with upload:
        given = choose_photo(served.classes.noun)
    photo = decoded_or_fault(given.data, upload) if given else None
    # Both are gone before the prediction comes, which would push them down; the lower goes first.
    guide, welcome = st.empty(), view.empty()
    if given is not None and photo is not None:
        return Sheet(view, answer, words, welcome, guide), Opened(given, photo)
    welcome, guide = welcome.container(), guide.container()
    with welcome:
        if given:
            show_kept(given)
        st.markdown(introduction)
        # In the place of the photo to come: nothing moves when one is chosen.
        choose_example(next(iter(served.variants.values())).species)
    return Sheet(view, answer, words, welcome, guide), None
