"""The deletion test: a species' probability while the hottest pixels of its map are erased."""

import altair as alt
import numpy as np
import pandas as pd
from PIL import Image

from plumage.looks import ONE_LOOK
from plumage.photos import resized, shrunk
from streamlit_app.inference.classifier import Classifier

STEPS = 20  # in which a photo is erased
GREY = (124, 116, 104)  # the mean pixel of natural photos, which the networks see as zero


def erased(photo: Image.Image, heatmap: np.ndarray, share: float) -> Image.Image:
    """The photo with the hottest share (0 to 1) of its pixels turned grey."""
    stretched = Image.fromarray(heatmap.astype(np.float32)).resize(
        photo.size, Image.Resampling.BICUBIC
    )
    order = np.argsort(-np.asarray(stretched).ravel(), kind="stable")
    pixels = np.asarray(photo).reshape(-1, 3).copy()
    pixels[order[: round(share * len(order))]] = GREY
    return Image.fromarray(pixels.reshape(photo.height, photo.width, 3))


def deletion_curve(
    classifier: Classifier, photo: Image.Image, heatmap: np.ndarray, species: str
) -> pd.DataFrame:
    """The species' probability while its hottest pixels are erased (Petsiuk et al. 2018).

    Raises: CheckpointError. Returns: columns erased and probability, 0 to 1, STEPS + 1 rows.
    """
    several = classifier.looks != ONE_LOOK
    # Large enough for the closest look, and in the photo's own shape.
    seen = (
        shrunk(photo, 3 * classifier.image_size)
        if several
        else resized(photo, classifier.image_size)
    )
    shares = np.linspace(0, 1, STEPS + 1)
    answer = classifier.classify([erased(seen, heatmap, share) for share in shares])
    probabilities = answer.probabilities[:, answer.species.index(species)]
    return pd.DataFrame({"erased": shares, "probability": probabilities.astype(float)})


def area(curve: pd.DataFrame) -> float:
    """The area under a deletion curve, 0 to 1: low where the map found what matters."""
    return float(np.trapezoid(curve["probability"], curve["erased"]))


def curve_chart(curve: pd.DataFrame, share: float) -> alt.LayerChart:
    """A deletion curve, drawn up to the share that is erased; its whole course stays in outline."""
    x = alt.X(
        "erased:Q",
        title="erased, the hottest first",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".0%", tickCount=5, grid=False),
    )
    y = alt.Y(
        "probability:Q",
        title="probability",
        scale=alt.Scale(domain=[0, 1]),
        axis=alt.Axis(format=".0%", tickCount=5),
    )
    tooltip = [alt.Tooltip(f"{name}:Q", format=".0%") for name in curve]
    whole, drawn = alt.Chart(curve), alt.Chart(curve[curve["erased"] <= share + 1e-9])
    return (
        alt.layer(
            whole.mark_line(color="#777777", opacity=0.4).encode(x=x, y=y),
            drawn.mark_line(color="#1a8f7a", strokeWidth=3).encode(x=x, y=y),
            drawn.mark_circle(color="#1a8f7a", size=50, opacity=1).encode(
                x=x, y=y, tooltip=tooltip
            ),
        )
        .properties(height=300)
        .configure_view(strokeWidth=0)
        .configure_axis(titleFontSize=12, labelFontSize=12, titleFontWeight="normal")
    )
