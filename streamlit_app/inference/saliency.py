"""Saliency maps of a variant, from its saliency.onnx."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
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
from plumage.looks import on_photos, pixels_of
from streamlit_app.inference.classifier import checkpoints_flag
from streamlit_app.inference.onnx_graph import MAX_BYTES, Graph, GraphError

GRADIENT = "Gradient"
METHODS = (GRAD_CAM, HIRESCAM, LAYERCAM, GRADIENT, SMOOTH_GRAD)
# A stage's map by the methods that have one, from its features and the logit's gradient at them,
# each (C, h, w), before evidence against the species is cut off.
CAMS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    # Selvaraju et al. 2017, arXiv:1610.02391
    GRAD_CAM: lambda features, gradient: features * gradient.mean(axis=(1, 2), keepdims=True),
    # Draelos and Carin 2020, arXiv:2011.08891
    HIRESCAM: lambda features, gradient: features * gradient,
    # Jiang et al. 2021, 10.1109/TIP.2021.3089943
    LAYERCAM: lambda features, gradient: features * np.maximum(gradient, 0),
}
STAGE_LABELS = {"1": "First stage, fine", "2": "Second stage", "3": "Last stage, coarse"}
LAST_STAGE = "3"  # the stage of model.onnx's heatmaps
WHOLE = np.array([[0.0, 0.0, 1.0, 1.0]])  # the frame of one look at all of a photo


class SaliencyError(ValueError):
    """Why a checkpoint has no gradients, in one sentence that says what to do."""


class Saliency:
    """A checkpoint's saliency.onnx: gradients of a species' logit, at the pixels and each stage."""

    def __init__(self, folder: Path, image_size: int) -> None:
        """Open `folder`/saliency.onnx; raises SaliencyError.

        image_size: the side in pixels that photos are resized to.
        """
        command = "python -m trainer.checkpoint.saliency --data PHOTOS"
        flag = checkpoints_flag(folder.parent)
        self._make = f"`{command}{flag}` makes one for {folder.name}."
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
            kept = file.read(MAX_BYTES)
        if self._graph.metadata.get(WEIGHTS_DIGEST) != hashlib.sha256(kept).hexdigest():
            raise SaliencyError(f"{self._of} is of other weights: {self._make}")
        self._size = image_size

    def heatmap(
        self, photo: Image.Image, target: int, smooth: bool, frames: np.ndarray = WHOLE
    ) -> np.ndarray:
        """The gradient's largest magnitude over red, green and blue: (S, S) float32.

        target: index of the species. smooth: the mean gradient over noisy copies instead of that
            of the photo itself (Smilkov et al. 2017, arXiv:1706.03825). frames: (looks, 4), a
            prediction's; of several looks the maps are added, each where it looked: (2S, 2S).
            Raises: SaliencyError.
        """
        return self._over(photo, frames, partial(self._heatmap, target=target, smooth=smooth))

    def stage_map(
        self,
        photo: Image.Image,
        target: int,
        method: str,
        stage: str,
        frames: np.ndarray = WHOLE,
    ) -> np.ndarray:
        """The map of one of CAMS at one of STAGE_LABELS: (h, w) float32, not negative.

        target: index of the species. frames: as for `heatmap`; with several: (2h, 2w).
            Raises: SaliencyError.
        """
        return self._over(
            photo, frames, partial(self._stage_map, target=target, method=method, stage=stage)
        )

    def _over(
        self,
        photo: Image.Image,
        frames: np.ndarray,
        map_of: Callable[[np.ndarray], np.ndarray],
    ) -> np.ndarray:
        """The maps of the parts of a photo that were looked at, added where they lie."""
        boxes = [tuple(box) for box in frames * (*photo.size, *photo.size)]
        maps = [map_of(pixels_of(photo, box, self._size)) for box in boxes]
        return maps[0] if len(maps) == 1 else on_photos(np.stack(maps)[:, None], frames).sum(0)[0]

    def _heatmap(self, pixels: np.ndarray, target: int, smooth: bool) -> np.ndarray:
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

    def _stage_map(self, pixels: np.ndarray, target: int, method: str, stage: str) -> np.ndarray:
        found = self._run(pixels[None], target)
        features, gradient = found[f"features_{stage}"][0], found[f"gradients_{stage}"][0]
        return np.maximum(CAMS[method](features, gradient).sum(axis=0), 0)

    def _run(self, photos: np.ndarray, target: int) -> dict[str, np.ndarray]:
        """SALIENCY_OUTPUTS for photos (N, S, S, 3) uint8 and one species."""
        targets = np.full(len(photos), target, np.int64)
        try:
            found = self._graph.run({PHOTOS: photos, TARGET: targets})
        except GraphError as error:
            raise SaliencyError(f"{self._of} {error} {self._make}") from error
        saliency, *of_stages = found
        features, gradients = of_stages[: len(STAGE_LABELS)], of_stages[len(STAGE_LABELS) :]
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
    """Clip the map's highest hundredth: beside a few peaks all else would look cold."""
    return np.minimum(heatmap, np.quantile(heatmap, 0.99) or heatmap.max())
