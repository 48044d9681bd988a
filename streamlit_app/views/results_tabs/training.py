"""The Training tab: learning curves."""

import pandas as pd
import streamlit as st

from streamlit_app.results import scores
from streamlit_app.ui.state import show_chart

MEASURES = {"accuracy": "Accuracy", "macro_f1": "Macro F1", "loss": "Loss"}


def show_training(histories: pd.DataFrame) -> None:
    """Train and val curves of each variant's full run, in one measure."""
    st.header("Learning curves", anchor=False)
    measure = st.segmented_control(
        "Measure",
        list(MEASURES),
        default="accuracy",
        required=True,
        format_func=MEASURES.__getitem__,
        key="measure",
        label_visibility="collapsed",
    )
    st.markdown(
        "Train photos are scored with augmentation, val photos without, so val may be higher. "
        "A click on a name in the legend highlights its curve."
    )
    for column, split in zip(st.columns(2, gap="medium"), ("train", "val"), strict=True):
        with column:
            show_chart(
                scores.learning_curves(histories, split, measure),
                f"{MEASURES[measure]} of each variant on {split} photos over the epochs",
                histories[histories["split"] == split],
                f"learning-{split}",
            )
