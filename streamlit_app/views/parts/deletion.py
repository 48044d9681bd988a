"""The deletion curve: how the prediction changes while its evidence is erased."""

import time

import numpy as np
import pandas as pd
import streamlit as st
from PIL import Image

from plumage.photos import shrunk
from streamlit_app.inference.deletion import STEPS, area, curve_chart, erased
from streamlit_app.results.charts import titled
from streamlit_app.ui.heatmaps import reserve_space_css
from streamlit_app.ui.state import show_chart

SIDE = 512  # pixels of a photo that is shown half as wide as the page or less
STEP_SECONDS = 0.2  # of each step of the erasing


def show_deletion(
    photo: Image.Image, heatmap: np.ndarray, curve: pd.DataFrame, variant: str
) -> None:
    """The deletion curve, and beside it the photo as far as it is erased."""
    st.subheader("Deletion curve", anchor=False)
    st.markdown(
        "The hottest parts of the map turn grey first: where the prediction rests on them, the "
        f"probability falls early, and the area under the curve, **{area(curve):.2f}**, is small "
        "(Petsiuk et al. 2018). Grey patches are no natural photos, so the curve can jump."
    )
    left, right = st.columns(2, gap="medium")
    st.html(reserve_space_css(".st-key-erased-photo", photo))
    frame = left.container(key="erased-photo").empty()
    with right:
        play = st.button("Erase it step by step", icon=":material/play_arrow:")
        at = st.slider("Erased", 0, 100, 20, 100 // STEPS, "%d%%", key="erased")
        chart = st.empty()
    small = shrunk(photo, SIDE)
    words = f"Probability in {variant} while the photo is erased"
    steps = [step / STEPS for step in range(STEPS + 1)] if play else [at / 100]
    for share in steps:
        frame.image(
            erased(small, heatmap, share),
            width="stretch",
            output_format="JPEG",
            alt=f"Your photo, {share:.0%} of it erased",
        )
        drawn = titled(curve_chart(curve, share), f"Deletion curve of {variant}")
        if share < steps[-1]:
            chart.altair_chart(drawn, theme=None, key=f"curve-{share}", alt=words)
            time.sleep(STEP_SECONDS)
    with chart.container():
        show_chart(drawn, words, curve, f"deletion-{variant}")
