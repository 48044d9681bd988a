"""What a variant looks at, by what its two graphs can give, and the test of erasing it."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import altair as alt
import numpy as np
import pandas as pd
from PIL import Image

from plumage.contract import (
    GRAD_CAM,
    HIRESCAM,
    LAYERCAM,
    PHOTOS,
    SALIENCY,
    SALIENCY_OUTPUTS,
    SMOOTH_GRAD,
    SMOOTH_GRAD_COPIES,
    SMOOTH_GRAD_NOISE,
    TARGET,
    WEIGHTS,
    WEIGHTS_DIGEST,
)
from plumage.photos import resized
from streamlit_app.inference.classifier import Classifier
from streamlit_app.inference.onnx_graph import MOST_BYTES, Graph, GraphError

GRADIENT = "Gradient"
METHODS = (GRAD_CAM, HIRESCAM, LAYERCAM, GRADIENT, SMOOTH_GRAD)
# A stage's map by the methods that have one, from its features and the logit's gradient at them,
# each (C, h, w), before what speaks against the species is cut off.
CAMS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    # Selvaraju et al. 2017, arXiv:1610.02391
    GRAD_CAM: lambda features, gradient: features * gradient.mean(axis=(1, 2), keepdims=True),
    # Draelos and Carin 2020, arXiv:2011.08891
    HIRESCAM: lambda features, gradient: features * gradient,
    # Jiang et al. 2021, 10.1109/TIP.2021.3089943
    LAYERCAM: lambda features, gradient: features * np.maximum(gradient, 0),
}
STAGES = {"1": "First stage, fine", "2": "Second stage", "3": "Last stage, coarse"}
LAST = "3"  # the stage whose Grad-CAM model.onnx has
STEPS = 20  # in which a photo is erased
GREY = (124, 116, 104)  # the mean pixel of natural photos, which the networks see as zero


class SaliencyError(ValueError):
    """Why a checkpoint has no gradients, in one sentence that says what to do."""


class Saliency:
    """A checkpoint's saliency.onnx: gradients of a species' logit, at the pixels and each stage."""

    def __init__(self, folder: Path, image_size: int) -> None:
        """Open `folder`/saliency.onnx; raises SaliencyError.

        image_size: the side in pixels that photos are squeezed to.
        """
        self._make = (
            f"`python -m trainer.checkpoint.saliency --data PHOTOS` makes one for {folder.name}."
        )
        path, weights = folder / SALIENCY, folder / WEIGHTS
        if not (path.is_file() and weights.is_file()):
            raise SaliencyError(f"The checkpoint {folder.name} has no {SALIENCY}: {self._make}")
        self._of = f"The {SALIENCY} of the checkpoint {folder.name}"
        try:
            inputs = {PHOTOS: "tensor(uint8)", TARGET: "tensor(int64)"}
            outputs = dict.fromkeys(SALIENCY_OUTPUTS, "tensor(float)")
            self._graph = Graph(path, inputs, outputs, beside=folder)
        except GraphError as error:
            raise SaliencyError(f"The checkpoint {folder.name} {error} {self._make}") from error
        with weights.open("rb") as file:
            kept = file.read(MOST_BYTES)
        if self._graph.metadata.get(WEIGHTS_DIGEST) != hashlib.sha256(kept).hexdigest():
            raise SaliencyError(f"{self._of} is of other weights: {self._make}")
        self._size = image_size

    def heatmap(self, photo: Image.Image, target: int, smooth: bool) -> np.ndarray:
        """The gradient's largest magnitude over red, green and blue: (S, S) float32.

        Raises SaliencyError where the graph cannot give it.
        target: index of the species. smooth: the mean gradient over noisy copies instead of that
            of the photo itself (Smilkov et al. 2017, arXiv:1706.03825).
        """
        pixels = np.asarray(resized(photo, self._size))
        if smooth:
            deviation = SMOOTH_GRAD_NOISE * float(np.ptp(pixels))
            noise = np.random.default_rng(0).normal(
                0, deviation, (SMOOTH_GRAD_COPIES, *pixels.shape)
            )
            photos = np.rint(pixels + noise).clip(0, 255).astype(np.uint8)
        else:
            photos = pixels[None]
        gradient = self._run(photos, target)["saliency"]
        return np.abs(gradient.mean(axis=0)).max(axis=-1)

    def stage_map(self, photo: Image.Image, target: int, method: str, stage: str) -> np.ndarray:
        """The map of one of CAMS at one of STAGES: (h, w) float32, not negative.

        Raises SaliencyError where the graph cannot give it. target: index of the species.
        """
        found = self._run(np.asarray(resized(photo, self._size))[None], target)
        features, gradient = found[f"features_{stage}"][0], found[f"gradients_{stage}"][0]
        return np.maximum(CAMS[method](features, gradient).sum(axis=0), 0)

    def _run(self, photos: np.ndarray, target: int) -> dict[str, np.ndarray]:
        """What SALIENCY_OUTPUTS names, for photos (N, S, S, 3) uint8 and one species."""
        targets = np.full(len(photos), target, np.int64)
        try:
            found = self._graph.run({PHOTOS: photos, TARGET: targets})
        except GraphError as error:
            raise SaliencyError(f"{self._of} {error} {self._make}") from error
        saliency, *of_stages = found
        features, gradients = of_stages[: len(STAGES)], of_stages[len(STAGES) :]
        if (
            saliency.shape != photos.shape
            or any(map.ndim != 4 or len(map) != len(photos) for map in of_stages)
            or [map.shape for map in features] != [map.shape for map in gradients]
        ):
            shapes = ", ".join(str(values.shape) for values in found)
            raise SaliencyError(
                f"{self._of} gives gradients of shapes {shapes} for photos of shape "
                f"{photos.shape}: {self._make}"
            )
        return dict(zip(SALIENCY_OUTPUTS, found, strict=True))


def visible(heatmap: np.ndarray) -> np.ndarray:
    """The map with its highest hundredth levelled: beside a few peaks all else would look cold."""
    return np.minimum(heatmap, np.quantile(heatmap, 0.99) or heatmap.max())


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

    Returns: columns erased and probability, 0 to 1, STEPS + 1 rows.
    """
    seen = resized(photo, classifier.image_size)
    shares = np.linspace(0, 1, STEPS + 1)
    answer = classifier.answer([erased(seen, heatmap, share) for share in shares])
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


@dataclass(frozen=True)
class Exhibit:
    """A photo of the gallery.

    path: its file. species: what is on it. kind: right, wrong or doubtful. answered, probability:
    what the variant said.
    """

    path: Path
    species: str
    kind: str
    answered: str
    probability: float


def exhibits(gallery: Path, variant: str) -> list[Exhibit]:
    """The gallery's photos for a variant; none where none was made or it is damaged."""
    folder = gallery / variant
    try:
        entries = json.loads((folder / "gallery.json").read_text(encoding="utf-8"))
        found = [
            Exhibit(
                folder / Path(entry["photo"]).name,
                str(entry["species"]),
                str(entry["kind"]),
                str(entry["answered"]),
                float(entry["probability"]),
            )
            for entry in entries
        ]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    return [exhibit for exhibit in found if exhibit.path.is_file()]
