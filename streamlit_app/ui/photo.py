"""The photo of a session: given on one page, it is on the others until replaced or removed."""

from collections.abc import Collection
from functools import partial
from typing import NamedTuple

import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from streamlit_app.markdown import escape_markdown
from streamlit_app.species import common_name
from streamlit_app.ui.cropping import Box
from streamlit_app.ui.heatmaps import reserve_space_css
from streamlit_app.ui.state import selectbox_in_url


class Photo(NamedTuple):
    """A photo as it was given.

    data: the file's bytes. crop: the part to look at, None for what the model takes by itself.
    """

    name: str
    data: bytes
    crop: Box | None = None


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
    if _source() is not None:
        st.session_state.uploader = st.session_state.get("uploader", 0) + 1


def crop_to(box: Box | None) -> None:
    """Keep the session's photo with this part to look at; for callbacks."""
    st.session_state.given = st.session_state.given._replace(crop=box)


def show_kept(photo: Photo) -> None:
    """Offer to look at the whole photo again, and to remove one that no uploader shows."""
    if photo.crop is None and _source() is not None:
        return
    with st.container(horizontal=True, vertical_alignment="center", key="kept"):
        if _source() is None:
            st.markdown(escape_markdown(photo.name))
            st.button("Remove", on_click=keep_other, args=(None,), type="tertiary")
        if photo.crop:
            st.button("Whole photo", on_click=crop_to, args=(None,), type="tertiary")


def reserve_picture(photo: Image.Image) -> DeltaGenerator:
    """The photo's place, as high before it is filled as after."""
    place = st.container(key="picture")
    place.html(reserve_space_css(".st-key-picture", photo))
    return place.empty()


def choose_photo(noun: str) -> Photo | None:
    """The session's photo, or the one that is uploaded or taken now; None where there is none."""
    words = "A photo" if noun == "class" else f"A photo of a {noun}"
    # Shown at once, the camera would ask everyone for permission.
    ask = st.camera_input if st.session_state.get("camera") else st.file_uploader
    ask(words, key=_key(), on_change=partial(_take, _key()))
    given: Photo | None = st.session_state.get("given")
    return given


def choose_camera() -> None:
    """Choose between uploader and camera."""
    st.toggle("Use the camera", key="camera")


def choose_evidence(species: Collection[str], best: str) -> str:
    """The species to show evidence for: the likeliest, or another one chosen."""
    name = partial(common_name, classes=species)
    names = sorted(species, key=name)
    chosen = selectbox_in_url("Evidence for", names, "species", best, name) or best
    st.session_state.chosen_species = "" if chosen == best else chosen
    return chosen


def _take(key: str) -> None:
    upload = st.session_state[key]
    keep(Photo(upload.name, upload.getvalue()) if upload else None)


def _key() -> str:
    """The uploader's or the camera's key; another one empties it."""
    kind = "taken" if st.session_state.get("camera") else "photo"
    return f"{kind}{st.session_state.get('uploader') or ''}"


def _source() -> object:
    """The file that the uploader or the camera holds."""
    return st.session_state.get(_key())
