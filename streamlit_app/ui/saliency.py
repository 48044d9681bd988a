"""Saliency maps and deletion curves, kept between reruns of a page."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from plumage.contract import GRAD_CAM, SMOOTH_GRAD
from streamlit_app.inference.classifier import Version
from streamlit_app.inference.deletion import deletion_curve
from streamlit_app.inference.saliency import CAMS, LAST_STAGE, WHOLE, Saliency
from streamlit_app.ui.cropping import Box
from streamlit_app.ui.state import ANSWER_SLOTS, predict, variants_at, view_of


@st.cache_resource(max_entries=16, show_spinner=False)
def saliency_of(variant: str, version: Version) -> Saliency:
    """Open a variant's saliency.onnx; raises SaliencyError."""
    size = variants_at(version)[0][variant].image_size
    return Saliency(Path(version.folder) / variant, size)


class Asked(NamedTuple):
    """A map to draw: its photo or a box of it, variant, species, method and stage."""

    data: bytes
    box: Box | None
    variant: str
    species: str
    method: str
    stage: str
    version: Version


@st.cache_resource(max_entries=32, scope="session", show_spinner=False)
def heatmap_of(asked: Asked) -> np.ndarray:
    """The map that is asked for; raises SaliencyError, CheckpointError, BusyError."""
    prediction = predict(asked.data, asked.variant, asked.version, asked.box)
    if (asked.method, asked.stage) == (GRAD_CAM, LAST_STAGE):
        return prediction.heatmap(0, asked.species)
    photo, target = view_of(asked.data, asked.box), prediction.species.index(asked.species)
    frames = WHOLE if prediction.frames is None else prediction.frames[0]
    with ANSWER_SLOTS.slot():
        saliency = saliency_of(asked.variant, asked.version)
        if asked.method in CAMS:
            return saliency.stage_map(photo, target, asked.method, asked.stage, frames)
        return saliency.heatmap(photo, target, asked.method == SMOOTH_GRAD, frames)


@st.cache_resource(max_entries=16, scope="session", show_spinner=False)
def curve_of(asked: Asked) -> pd.DataFrame:
    """The deletion curve of that map; raises SaliencyError, CheckpointError, BusyError."""
    heatmap, photo = heatmap_of(asked), view_of(asked.data, asked.box)
    variant = variants_at(asked.version)[0][asked.variant]
    with ANSWER_SLOTS.slot():
        return deletion_curve(variant, photo, heatmap, asked.species)
