"""What pages share: what is kept between reruns and in the address, and how charts are shown."""

import gc
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import altair as alt
import pandas as pd
import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator
from streamlit.elements.lib.mutable_tab_container import TabContainer

from plumage.photos import PhotoError
from streamlit_app.inference.classifier import (
    NO_MODEL,
    NORMS,
    Answer,
    Classifier,
    checkpoints_folder,
    open_variants,
    stamps,
)
from streamlit_app.inference.limits import BusyError, Turns
from streamlit_app.inference.photos import CORES, read_upload, start_decoding
from streamlit_app.results.best import best_first
from streamlit_app.ui.cropping import Box

# Widgets rerun the page; what they do not change is kept. `stamp` makes a changed checkpoint count.
Stamp = tuple[tuple[str, int], ...]


@st.cache_resource(max_entries=1, show_spinner=False)
def variants_at(stamp: Stamp) -> tuple[dict[str, Classifier], list[str]]:
    """Every variant that can serve, and what is wrong with the others."""
    start_decoding()  # the first visitor is about to choose a photo
    opened = open_variants(checkpoints_folder())
    # Streamlit looks for garbage after each run of a page, and all threads wait for it meanwhile.
    # Nearly all that it would look through is there by now, and is none.
    gc.freeze()
    return opened


# An answer keeps one core busy: on each one at a time, or all would be late. Whoever comes when so
# many wait would wait for longer than anybody likes.
TURNS = Turns(at_once=CORES, waiting=60)
TABLES = Turns(at_once=1, waiting=8)  # of many photos: making one keeps every core busy


# What is made of a visitor's photo is kept for that visit only.
@st.cache_resource(max_entries=2, scope="session", show_spinner=False)
def photo_in(data: bytes) -> Image.Image:
    """The photo in an uploaded file, not to be changed; raises PhotoError, BusyError."""
    with TURNS.one():
        return read_upload(data)


@st.cache_resource(max_entries=16, scope="session", show_spinner=False)
def answer_to(data: bytes, variant: str, stamp: Stamp, box: Box | None = None) -> Answer:
    """What a variant says about the photo in an uploaded file, or a box of it; may be BusyError."""
    variants, _ = variants_at(stamp)
    photo = photo_in(data)
    with TURNS.one():
        return variants[variant].answer([photo.crop(box) if box else photo])


@contextmanager
def if_not_busy(place: DeltaGenerator | None = None) -> Iterator[None]:
    """The page ends at the block where too many wait: `place` says so, with a button to retry."""
    try:
        yield
    except BusyError as error:
        with place.container() if place else st.container():
            st.warning(str(error))
            st.button("Try again", key="again")
        st.stop()


def photo_given(data: bytes | None, place: DeltaGenerator) -> Image.Image | None:
    """The photo in an uploaded file; None without one, or where `place` says what is wrong."""
    if data is None:
        return None
    try:
        with if_not_busy():
            return photo_in(data)
    except PhotoError as error:
        place.error(str(error))
        return None


def forget_species() -> None:
    """Another photo starts with its own answer; the first keeps what a link asked for."""
    if st.session_state.get("answered"):
        st.query_params.pop("species", None)


def variants_to_serve() -> tuple[dict[str, Classifier], Stamp]:
    """Every variant that can serve, by name, and their stamp.

    What is wrong with the others is said on the page; where none can serve, the page ends there.
    """
    stamp = stamps(checkpoints_folder())
    variants, faults = variants_at(stamp)
    for fault in faults:
        st.warning(as_it_is(fault))
    if not variants:
        st.error(NO_MODEL)
        st.stop()
    return variants, stamp


def as_it_is(text: str) -> str:
    """The text for where Markdown is read, without anything in it being read so."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", text)


def described(variant: str, norm: str) -> str:
    """A variant with the words for its norm, as in `bn: batch norm`."""
    return f"{variant}: {NORMS.get(norm, 'another norm')}"


def show_chart(
    chart: alt.Chart | alt.LayerChart, words: str, table: pd.DataFrame, name: str
) -> None:
    """A chart, described in words for whoever cannot see it, over its table as `name`.csv."""
    # Without Streamlit's own theme: its light labels are too pale for contrast AA.
    st.altair_chart(chart, theme=None, alt=words)
    st.download_button(
        "Download the numbers",
        table.to_csv(index=False),
        f"{name}.csv",
        "text/csv",
        key=f"{name}.csv",
        help=f"{name}.csv",
        on_click="ignore",
        type="tertiary",
        icon=":material/download:",
    )


def choose_in_address(
    label: str,
    options: Sequence[str],
    key: str,
    default: str | None,
    format_func: Callable[[str], str],
    placeholder: str | None = None,
    explained: str | None = None,
) -> str | None:
    """A selectbox whose choice stands in the address as `key`, so that links and Back keep it.

    default: what is chosen where the address says nothing; None leaves the choice open.
    """
    return st.selectbox(
        label,
        options,
        index=None if default is None else 0,
        key=key,
        format_func=format_func,
        placeholder=placeholder,
        help=explained,
        on_change=_kept_in_address(options, key, default),
    )


def tabs_in_address(labels: Sequence[str], key: str) -> Sequence[TabContainer]:
    """Tabs of which the open one stands in the address as `key`; only that one is to be filled."""
    return st.tabs(labels, key=key, on_change=_kept_in_address(labels, key, labels[0]))


def _kept_in_address(options: Sequence[str], key: str, default: str | None) -> Callable[[], None]:
    """Choose for the widget `key` what the address says, and return what its change has to call."""

    def remember() -> None:
        chosen = st.session_state[key]
        if chosen == default:
            st.query_params.pop(key, None)
        else:
            st.query_params[key] = chosen

    wanted = st.query_params.get(key)
    # The address decides: after Back it has changed and the widget has not.
    st.session_state[key] = wanted if wanted in options else default
    return remember


def choose_variant(variants: dict[str, Classifier]) -> str:
    """The variant to ask; where there are several, one chosen and kept in the address.

    The list begins with the best, which is asked where nobody has chosen.
    """
    variants = best_first(variants, checkpoints_folder())
    first = next(iter(variants))
    if len(variants) == 1:
        return first
    chosen = choose_in_address(
        "Model",
        list(variants),
        "variant",
        first,
        lambda name: described(name, variants[name].norm),
        explained="They are alike but for their norm, which keeps the numbers inside a network "
        "within bounds. The first is right most often; Results says how often.",
    )
    return chosen or first
