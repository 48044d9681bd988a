"""The photo of a session: given on one page, it is on the others until replaced or removed."""

from collections.abc import Collection
from functools import partial
from typing import NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from streamlit_app.markdown import escape_markdown
from streamlit_app.species import common_name
from streamlit_app.ui.cropping import Box
from streamlit_app.ui.state import selectbox_in_url

# On a desk, the photo stands beside upload and answer; on a phone, between them. Nothing of the
# answer is seen before its words, which would push it down.
STYLE = """<style>
.st-key-upload, .st-key-answer { min-width: 0; }
.st-key-sheet > :has(> .st-key-answer):not(:has(.st-key-words)) { visibility: hidden; }
@media (min-width: 641px) {
    .st-key-sheet { display: grid; grid-template-rows: auto 1fr; gap: 1rem 1.5rem;
        grid-template-columns: minmax(0, 4fr) minmax(0, 3fr); }
    .st-key-sheet > :has(> .st-key-upload) { grid-area: 1 / 1; }
    .st-key-sheet > :has(> .st-key-view) { grid-area: 1 / 2 / span 2; }
    .st-key-sheet > :has(> .st-key-answer) { grid-area: 2 / 1; }
}
</style>"""


class Photo(NamedTuple):
    """A photo as it was given.

    data: the file's bytes. crop: the part to look at, None for what the model takes by itself.
    """

    name: str
    data: bytes
    crop: Box | None = None


class Sheet(NamedTuple):
    """The places of a page about one photo, in the order of a phone; words: atop the answer."""

    upload: DeltaGenerator
    view: DeltaGenerator
    answer: DeltaGenerator
    words: DeltaGenerator


def lay_out() -> Sheet:
    """The places of a page about one photo."""
    st.html(STYLE)
    with st.container(key="sheet"):
        upload, view, answer = (st.container(key=key) for key in ("upload", "view", "answer"))
    return Sheet(upload, view, answer, answer.container(key="words"))


def keep(photo: Photo | None) -> None:
    """Make this the session's photo, None forgets it; for callbacks.

    The species chosen for the photo before is forgotten, too; a link's is kept for the first photo.
    """
    if st.session_state.get("answered"):
        st.query_params.pop("species", None)
    st.query_params.pop("gallery", None)
    st.session_state.update({"given": photo, "chosen_species": "", "carried species": ""})


def keep_other(photo: Photo | None) -> None:
    """Do the same with a photo that is not the uploader's, which then is emptied."""
    keep(photo)
    st.session_state.uploader = st.session_state.get("uploader", 0) + 1


def crop_to(box: Box | None) -> None:
    """Keep the session's photo with this part to look at; for callbacks."""
    st.session_state.given = st.session_state.given._replace(crop=box)


def show_whole() -> None:
    """Offer to look at the whole photo again."""
    st.button("Whole photo", on_click=crop_to, args=(None,), type="tertiary")


def choose_photo(noun: str) -> Photo | None:
    """The session's photo, or the one that is uploaded or taken now; None where there is none."""
    words, key = f"A photo of a {noun}", f"photo{st.session_state.get('uploader') or ''}"
    if noun == "class":
        words = "A photo"
    # Shown at once, the camera would ask everyone for permission.
    if st.session_state.get("camera"):
        key = f"taken{st.session_state.get('uploader') or ''}"
        source = st.camera_input(words, key=key, on_change=partial(_take, key))
    else:
        source = st.file_uploader(words, key=key, on_change=partial(_take, key))
    photo: Photo | None = st.session_state.get("given")
    # Always in its place, filled or not: else it would first hold what stood there before.
    row = st.empty()
    if photo is not None and source is None:
        with row, st.container(horizontal=True, vertical_alignment="center", key="kept"):
            st.markdown(escape_markdown(photo.name))
            st.button("Remove", on_click=keep_other, args=(None,), type="tertiary")
    return photo


def choose_camera() -> None:
    """Choose between uploader and camera."""
    st.toggle("Use the camera", key="camera")


def choose_evidence(species: Collection[str], best: str) -> str:
    """The species to show evidence for: the likeliest, or another one chosen."""
    names = sorted(species, key=common_name)
    chosen = selectbox_in_url("Evidence for", names, "species", best, common_name) or best
    st.session_state.chosen_species = "" if chosen == best else chosen
    return chosen


def _take(key: str) -> None:
    upload = st.session_state[key]
    keep(Photo(upload.name, upload.getvalue()) if upload else None)
