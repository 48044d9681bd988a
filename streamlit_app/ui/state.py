"""What pages share: results kept between reruns, choices kept in the address, charts."""

import gc
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
    CheckpointError,
    Classifier,
    Prediction,
    Version,
    checkpoints_folder,
    open_variants,
    version_of,
)
from streamlit_app.inference.limits import CORES, BusyError, ConcurrencyLimiter
from streamlit_app.inference.pool import decode_photo, decoders
from streamlit_app.markdown import escape_markdown
from streamlit_app.norms import norm_text
from streamlit_app.results.scores import rank_variants
from streamlit_app.ui.cropping import Box

# A prediction keeps one core busy. Beyond 60 waiting the server refuses rather than queues.
ANSWER_SLOTS = ConcurrencyLimiter(at_once=CORES, waiting=60)
BATCH_SLOT = ConcurrencyLimiter(at_once=1, waiting=8)  # a table keeps every core busy


# Widgets rerun the page; results that they do not change are kept. Those of a visitor's photo are
# kept for that session only.
@st.cache_resource(max_entries=1, show_spinner=False)
def variants_at(version: Version) -> tuple[dict[str, Classifier], list[str]]:
    """Open every variant: those that can serve, and the faults of the others."""
    decoders.warm_up(1)  # the first visitor is about to choose a photo
    opened = open_variants(checkpoints_folder())
    # Streamlit collects garbage after each run of a page, and all threads wait for it meanwhile.
    # Nearly every object that it would look through exists by now, and is no garbage.
    gc.freeze()
    return opened


@st.cache_resource(max_entries=2, scope="session", show_spinner=False)
def decoded(data: bytes) -> Image.Image:
    """Decode an uploaded file to a photo, not to be changed; raises PhotoError, BusyError."""
    with ANSWER_SLOTS.slot():
        return decode_photo(data)


def predict(data: bytes, variant: str, version: Version, box: Box | None = None) -> Prediction:
    """Classify the photo in an uploaded file, or a box of it; raises CheckpointError, BusyError."""
    prediction = _prediction(data, variant, version, box)
    if isinstance(prediction, str):
        raise CheckpointError(prediction)
    return prediction


@st.cache_resource(max_entries=16, scope="session", show_spinner=False)
def _prediction(data: bytes, variant: str, version: Version, box: Box | None) -> Prediction | str:
    """The prediction, or the checkpoint's fault: it may take 20 s to show, and is kept too."""
    variants, _ = variants_at(version)
    photo = decoded(data)
    with ANSWER_SLOTS.slot():
        try:
            return variants[variant].classify([photo.crop(box) if box else photo])
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


def uploaded_photo(data: bytes | None, place: DeltaGenerator) -> Image.Image | None:
    """The photo in an uploaded file; None without a file, or where `place` says what is wrong."""
    if data is None:
        return None
    try:
        with or_retry():
            return decoded(data)
    except PhotoError as error:
        place.error(str(error))
        return None


def reset_species() -> None:
    """Forget the species chosen for the photo before; the first photo keeps a link's choice."""
    if st.session_state.get("answered"):
        st.query_params.pop("species", None)


def variants_to_serve() -> tuple[dict[str, Classifier], Version]:
    """Every variant that can serve, by name, and their version.

    The page warns of faults in the others; where none can serve, it ends there.
    """
    version = version_of(checkpoints_folder())
    variants, faults = variants_at(version)
    for fault in faults:
        st.warning(escape_markdown(fault))
    if not variants:
        st.error(NO_MODEL)
        st.stop()
    return variants, version


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
        if chosen == default:
            st.query_params.pop(key, None)
        else:
            st.query_params[key] = chosen

    wanted = st.query_params.get(key, "").lower()
    # The address decides: after Back it has changed and the widget has not.
    st.session_state[key] = next((o for o in options if o.lower() == wanted), default)
    return remember


def choose_variant(variants: dict[str, Classifier]) -> str:
    """Choose the variant to ask where there are several; the most accurate one is the default."""
    variants = rank_variants(variants, checkpoints_folder())
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
