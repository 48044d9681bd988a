"""State that pages share: results kept between reruns, choices kept in the address, charts."""

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import altair as alt
import pandas as pd
import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator
from streamlit.elements.lib.mutable_tab_container import TabContainer

from plumage.photos import PhotoError
from streamlit_app.inference.classifier import (
    NO_MODEL,
    CheckpointError,
    Classifier,
    Prediction,
    Version,
    checkpoints_flag,
    checkpoints_folder,
    open_variants,
    set_folders,
    version_of,
)
from streamlit_app.inference.limits import CORES, BusyError, ConcurrencyLimiter
from streamlit_app.inference.pool import decode_photo, decoders
from streamlit_app.markdown import escape_markdown
from streamlit_app.norms import norm_text
from streamlit_app.results.scores import rank_variants
from streamlit_app.results.sets import ClassSet, class_sets
from streamlit_app.ui.cropping import Box

# A prediction keeps one core busy. Beyond 60 waiting the server refuses rather than queues.
ANSWER_SLOTS = ConcurrencyLimiter(at_once=CORES, waiting=60)
BATCH_SLOT = ConcurrencyLimiter(at_once=1, waiting=8)  # a table keeps every core busy


# Widgets rerun the page; results that they do not change are kept. Those of a visitor's photo are
# kept for that session only.
@st.cache_resource(max_entries=4, show_spinner=False)
def variants_at(version: Version) -> tuple[dict[str, Classifier], list[str]]:
    """Open every variant of a folder: those that can serve, and the faults of the others."""
    decoders.warm_up(1)  # the first visitor is about to choose a photo
    opened = open_variants(Path(version.folder))
    # Streamlit collects garbage after each run of a page, and all threads wait for it meanwhile.
    # Nearly every object that it would look through exists by now, and is no garbage.
    gc.freeze()
    return opened


@st.cache_resource(max_entries=2, scope="session", show_spinner=False)
def decoded(data: bytes) -> Image.Image:
    """Decode an uploaded file to a photo, not to be changed; raises PhotoError, BusyError."""
    with ANSWER_SLOTS.slot():
        return decode_photo(data)


def view_of(data: bytes, box: Box | None) -> Image.Image:
    """The photo in a file, or a box of it; raises PhotoError, BusyError."""
    photo = decoded(data)
    return photo.crop(box) if box else photo


def predict(data: bytes, variant: str, version: Version, box: Box | None = None) -> Prediction:
    """Classify the photo in a file, or a box of it; raises CheckpointError, BusyError."""
    prediction = _prediction(data, variant, version, box)
    if isinstance(prediction, str):
        raise CheckpointError(prediction)
    return prediction


@st.cache_resource(max_entries=16, scope="session", show_spinner=False)
def _prediction(data: bytes, variant: str, version: Version, box: Box | None) -> Prediction | str:
    """The prediction, or the checkpoint's fault: it may take 20 s to show, and is kept too."""
    variants, _ = variants_at(version)
    photo = view_of(data, box)
    with ANSWER_SLOTS.slot():
        try:
            return variants[variant].classify([photo])
        except CheckpointError as error:
            return str(error)


@contextmanager
def or_retry(place: DeltaGenerator | None = None) -> Iterator[None]:
    """End the page where the block finds the server busy; `place` offers to try again."""
    try:
        yield
    except BusyError as error:
        with place.container() if place else st.container():
            st.warning(str(error))
            st.button("Try again", key="again")
        st.stop()


@contextmanager
def or_fault(place: DeltaGenerator) -> Iterator[None]:
    """End the page where the block's checkpoint fails; `place` says how."""
    try:
        yield
    except CheckpointError as error:
        place.error(f"{escape_markdown(str(error))} Choose another model, or make this one again.")
        st.stop()


def decoded_or_fault(data: bytes, place: DeltaGenerator) -> Image.Image | None:
    """The photo in a file; None where `place` says what is wrong."""
    try:
        with or_retry():
            return decoded(data)
    except PhotoError as error:
        place.error(str(error))
        return None


@st.cache_resource(max_entries=1, show_spinner=False)
def _sets(versions: tuple[Version, ...]) -> list[ClassSet]:
    return class_sets(checkpoints_folder())


def chosen_set() -> ClassSet:
    """The set of classes to serve, chosen where there are several; ends the page without any."""
    root = checkpoints_folder()
    sets = _sets(tuple(map(version_of, [root, *set_folders(root)])))
    if not sets:
        named = NO_MODEL.replace("it has a model", f"`{root}` holds a model")
        st.error(named if checkpoints_flag(root) else NO_MODEL)
        st.stop()
    labels = {one.label: one for one in sets}
    first = sets[0].label
    chosen = selectbox_in_url("Classes", list(labels), "set", first) if len(sets) > 1 else first
    st.session_state.chosen_set = "" if chosen == first else chosen
    return labels[chosen or first]


class Served(NamedTuple):
    """The variants to serve, by name, their version and their set."""

    variants: dict[str, Classifier]
    version: Version
    classes: ClassSet


def variants_to_serve() -> Served:
    """The chosen set's variants that can serve.

    The page warns of faults in the others; where none can serve, it ends there.
    """
    classes = chosen_set()
    version = version_of(classes.folder)
    opened, faults = variants_at(version)
    for fault in faults:
        st.warning(escape_markdown(fault))
    variants = {name: opened[name] for name in classes.variants if name in opened}
    if not variants:
        st.error(NO_MODEL)
        st.stop()
    return Served(variants, version, classes)


def variant_label(variant: str, norm: str) -> str:
    """A variant with its norm's name, as in `bn: batch norm`."""
    return f"{variant}: {norm_text(norm).name}"


def show_chart(
    chart: alt.Chart | alt.LayerChart, words: str, table: pd.DataFrame, name: str
) -> None:
    """Show a chart, described in words, above a button that downloads its table as `name`.csv."""
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


# Streamlit's own bind="query-params" does not do: it replaces the entry in the browser's history,
# so that Back leaves the app, and it writes labels, so that links end where a label changes.
def selectbox_in_url(
    label: str,
    options: Sequence[str],
    key: str,
    default: str | None,
    format_func: Callable[[str], str] = str,
    placeholder: str | None = None,
    help: str | None = None,
) -> str | None:
    """A selectbox whose choice is the address's parameter `key`, for links and Back.

    default: the choice where the address has none; None leaves it open.
    """
    return st.selectbox(
        label,
        options,
        index=None if default is None else 0,
        key=key,
        format_func=format_func,
        placeholder=placeholder,
        help=help,
        on_change=_kept_in_url(options, key, default),
    )


def tabs_in_url(labels: Sequence[str], key: str) -> Sequence[TabContainer]:
    """Tabs whose open one is the address's parameter `key`; only that one is to be filled."""
    return st.tabs(labels, key=key, on_change=_kept_in_url(labels, key, labels[0]))


def _kept_in_url(options: Sequence[str], key: str, default: str | None) -> Callable[[], None]:
    """Set the widget `key` to the address's choice; returns its on_change."""

    def remember() -> None:
        chosen = st.session_state[key]
        st.session_state.pop(f"carried {key}", None)
        if chosen == default:
            st.query_params.pop(key, None)
        else:
            st.query_params[key] = chosen

    # The address decides: after Back it has changed and the widget has not. Where it says nothing,
    # the choice on the page before does.
    wanted = (st.query_params.get(key) or st.session_state.get(f"carried {key}", "")).lower()
    st.session_state[key] = next((o for o in options if o.lower() == wanted), default)
    return remember


def choose_variant(served: Served) -> str:
    """Choose the variant to ask where there are several; the most accurate one is the default."""
    variants = rank_variants(served.variants, served.classes.folder)
    first = next(iter(variants))
    if len(variants) == 1:
        return first
    chosen = selectbox_in_url(
        "Model",
        list(variants),
        "variant",
        first,
        lambda name: variant_label(name, variants[name].norm),
        help="They differ only in their norm, which keeps the numbers inside a network within "
        "bounds. The first is the most accurate; Results says how accurate.",
    )
    return chosen or first
