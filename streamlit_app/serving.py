"""What several pages ask for, kept between reruns: the variants, photos and answers."""

import streamlit as st
from PIL import Image

from streamlit_app.classifier import (
    NORMS,
    Answer,
    Classifier,
    checkpoints_folder,
    open_variants,
    stamps,
)
from streamlit_app.photos import read_photo

# Widgets rerun the page; what they do not change is kept. `stamp` makes a changed checkpoint count.
Stamp = tuple[tuple[str, int], ...]


@st.cache_resource(max_entries=1, show_spinner=False)
def variants_at(stamp: Stamp) -> tuple[dict[str, Classifier], list[str]]:
    """Every variant that can serve, and what is wrong with the others."""
    return open_variants(checkpoints_folder())


@st.cache_data(max_entries=8, show_spinner=False)
def photo_in(data: bytes) -> Image.Image:
    """The photo in an uploaded file; raises PhotoError."""
    return read_photo(data)


@st.cache_data(max_entries=32, show_spinner=False)
def answer_to(data: bytes, variant: str, stamp: Stamp) -> Answer:
    """What a variant says about the photo in an uploaded file."""
    variants, _ = variants_at(stamp)
    return variants[variant].answer([photo_in(data)])


def variants_to_serve() -> tuple[dict[str, Classifier], Stamp]:
    """Every variant that can serve, by name, and their stamp.

    What is wrong with the others is said on the page; where none can serve, the page ends there.
    """
    stamp = stamps(checkpoints_folder())
    variants, faults = variants_at(stamp)
    for fault in faults:
        st.warning(fault)
    if not variants:
        st.error(
            "Plumage can name the bird on a photo once it has a model: make one with "
            "`python -m trainer --norm bn --data PHOTOS`."
        )
        st.stop()
    return variants, stamp


def described(variant: str, norm: str) -> str:
    """A variant with the words for its norm, as in `bn: batch norm`."""
    return f"{variant}: {NORMS.get(norm, 'another norm')}"
