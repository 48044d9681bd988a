"""Saliency maps and deletion curves, kept between reruns of a page."""

from pathlib import Path

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


@st.cache_resource(max_entries=32, scope="session", show_spinner=False)
def heatmap_of(
    data: bytes,
    box: Box | None,
    variant: str,
    species: str,
    method: str,
    stage: str,
    version: Version,
) -> np.ndarray:
    """The map of a species by a method at a stage, on a photo or a box of it.

    Raises: SaliencyError, CheckpointError, BusyError.
    """
    prediction = predict(data, variant, version, box)
    if (method, stage) == (GRAD_CAM, LAST_STAGE):
        return prediction.heatmap(0, species)
    photo, target = view_of(data, box), prediction.species.index(species)
    frames = WHOLE if prediction.frames is None else prediction.frames[0]
    with ANSWER_SLOTS.slot():
        saliency = saliency_of(variant, version)
        if method in CAMS:
            return saliency.stage_map(photo, target, method, stage, frames)
        return saliency.heatmap(photo, target, method == SMOOTH_GRAD, frames)


@st.cache_resource(max_entries=16, scope="session", show_spinner=False)
def curve_of(
    data: bytes,
    box: Box | None,
    variant: str,
    species: str,
    method: str,
    stage: str,
    version: Version,
) -> pd.DataFrame:
    """The deletion curve of that map; raises SaliencyError, CheckpointError, BusyError."""
    heatmap = heatmap_of(data, box, variant, species, method, stage, version)
    photo = view_of(data, box)
    with ANSWER_SLOTS.slot():
        return deletion_curve(variants_at(version)[0][variant], photo, heatmap, species)
