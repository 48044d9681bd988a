"""A checkpoint folder to species probabilities and heatmaps, by plumage/contract.py."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from plumage.contract import (
    COVERAGE,
    IMAGE_SIZE,
    MAX_SPECIES,
    MIN_SPECIES,
    MODEL,
    NORM,
    NOVELTY_THRESHOLD,
    OUTPUTS,
    PHOTOS,
    SET_THRESHOLDS,
    SPECIES,
    SPECIES_RULE,
    TEMPERATURE,
    is_species_name,
)
from plumage.photos import resized
from streamlit_app.inference.onnx_graph import Graph, GraphError

# The study's seven, in its order.
NORMS = {
    "bn": "batch norm",
    "in": "instance norm",
    "bin": "batch-instance norm",
    "ln": "layer norm",
    "gn": "group norm",
    "nn": "no norm",
    "torch-bn": "built-in batch norm",
}
NO_MODEL = (
    "Plumage can name the bird on a photo once it has a model: make one with "
    "`python -m trainer --norm bn --data PHOTOS`."
)
MOST_PIXELS = 1024  # of a photo's side: as many as the app keeps


class CheckpointError(ValueError):
    """What is wrong with a checkpoint, in one sentence that names its folder."""


@dataclass(frozen=True)
class Answer:
    """What a checkpoint says about N photos.

    species: in the order of the others. probabilities: (N, species) float32, rows sum to 1.
    heatmaps: (N, species, h, w) float32, each species' Grad-CAM map: non-negative, unscaled.
    novel: (N,) bool, whether the photo probably shows none of the species. sets: for each level
    that the checkpoint promises, of which COVERAGE is one, (N, species) bool, the species among
    which the photo's is that often.
    """

    species: tuple[str, ...]
    probabilities: np.ndarray
    heatmaps: np.ndarray
    novel: np.ndarray
    sets: Mapping[float, np.ndarray]

    def ranking(self, photo: int) -> list[tuple[str, float]]:
        """Every species with its probability for the photo of that number, likeliest first."""
        row = self.probabilities[photo]
        return [(self.species[index], float(row[index])) for index in np.argsort(-row)]

    def among(self, photo: int, level: float = COVERAGE) -> list[str]:
        """The species among which the photo's is with that level's frequency, likeliest first."""
        held = self.sets[level][photo]
        return [self.species[i] for i in np.argsort(-self.probabilities[photo]) if held[i]]

    def heatmap(self, photo: int, species: str) -> np.ndarray:
        """(h, w) float32: that species' map for the photo of that number."""
        return self.heatmaps[photo, self.species.index(species)]


class Classifier:
    """A checkpoint that answers batches of photos, from any number of threads at once.

    folder: the checkpoint's. name: of that folder. norm: the key of its normalisation. image_size:
    the side in pixels that photos are squeezed to. species: their names, in the order of the
    answers.
    """

    def __init__(self, folder: Path) -> None:
        """Open and try out `folder`/model.onnx; raises CheckpointError."""
        self.folder = folder
        self.name = folder.name
        self._name = f"The checkpoint {folder.name}"
        path = folder / MODEL
        if not path.is_file():
            raise CheckpointError(f"{self._name} has no {MODEL}.")
        try:
            self._graph = Graph(
                path, {PHOTOS: "tensor(uint8)"}, dict.fromkeys(OUTPUTS, "tensor(float)")
            )
        except GraphError as error:
            raise CheckpointError(f"{self._name} {error}") from error
        self._read_metadata(self._graph.metadata)
        self._try_out()

    def answer(self, photos: Sequence[Image.Image]) -> Answer:
        """Classify one or more RGB photos of any shape; raises CheckpointError."""
        pixels = [np.asarray(resized(photo, self.image_size)) for photo in photos]
        return self.answer_squeezed(np.stack(pixels))

    def answer_squeezed(self, pixels: np.ndarray) -> Answer:
        """Classify photos that are `squeezed`; pixels: (N, image_size, image_size, 3) uint8."""
        logits, heatmaps, novelty = self._run(pixels)
        # Sets are of raw probabilities: the temperature was fitted on the photos that promise them.
        raw = _softmax(logits)
        likeliest = np.arange(len(self.species)) == raw.argmax(axis=1, keepdims=True)
        return Answer(
            self.species,
            _softmax(logits / self._temperature),
            heatmaps,
            novelty > self._novelty_threshold,
            {level: (raw >= least) | likeliest for level, least in self._set_thresholds.items()},
        )

    def _run(self, pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        try:
            logits, heatmaps, novelty = self._graph.run({PHOTOS: pixels})
        except GraphError as error:
            raise CheckpointError(f"{self._name} {error}") from error
        return logits, heatmaps, novelty

    def _read_metadata(self, metadata: Mapping[str, str]) -> None:
        try:
            self.norm = metadata[NORM]
            self.image_size = int(metadata[IMAGE_SIZE])
            self._temperature = float(metadata[TEMPERATURE])
            species = json.loads(metadata[SPECIES])
            self._novelty_threshold = float(metadata[NOVELTY_THRESHOLD])
            thresholds = json.loads(metadata[SET_THRESHOLDS])
            self._set_thresholds = {float(key): float(thresholds[key]) for key in thresholds}
        except KeyError as error:
            raise CheckpointError(f"{self._name} has no {error} in its metadata.") from error
        except (TypeError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{self._name} has metadata that cannot be read.") from error
        if not 1 <= self.image_size <= MOST_PIXELS:
            raise CheckpointError(
                f"{self._name} is for photos of {self.image_size} pixels: 1 to {MOST_PIXELS} are "
                "possible."
            )
        if not (self._temperature > 0 and math.isfinite(self._temperature)):
            raise CheckpointError(f"{self._name} has a temperature of {self._temperature}.")
        if not isinstance(species, list) or not all(map(is_species_name, species)):
            raise CheckpointError(
                f"{self._name} has a species without a proper name ({SPECIES_RULE})."
            )
        if not MIN_SPECIES <= len(species) <= MAX_SPECIES or len(set(species)) != len(species):
            raise CheckpointError(
                f"{self._name} names fewer than two species, more than {MAX_SPECIES}, or one twice."
            )
        self.species = tuple(species)
        if not math.isfinite(self._novelty_threshold):
            raise CheckpointError(
                f"{self._name} has a novelty threshold of {self._novelty_threshold}."
            )
        least = self._set_thresholds
        if COVERAGE not in least or not all(0 <= share <= 1 for share in least.values()):
            raise CheckpointError(f"{self._name} has set thresholds of {thresholds}.")

    def _try_out(self) -> None:
        """Whatever the metadata promises, the graph has to keep on a grey batch of two."""
        side, count = self.image_size, len(self.species)
        logits, heatmaps, novelty = self._run(np.full((2, side, side, 3), 128, np.uint8))
        if logits.shape != (2, count) or heatmaps.shape[:2] != (2, count) or heatmaps.ndim != 4:
            raise CheckpointError(
                f"{self._name} names {count} species but answers with logits of shape "
                f"{logits.shape} and heatmaps of shape {heatmaps.shape}."
            )
        if novelty.shape != (2,):
            raise CheckpointError(
                f"{self._name} answers with a novelty of shape {novelty.shape}, not one a photo."
            )
        if not all(np.isfinite(values).all() for values in (logits, heatmaps, novelty)):
            raise CheckpointError(f"{self._name} answers with numbers that are not finite.")


def _softmax(logits: np.ndarray) -> np.ndarray:
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return powers / powers.sum(axis=1, keepdims=True)


def none_of(species: Sequence[str]) -> str:
    """What is said of a photo that shows none of the species."""
    return f"No bird of these {len(species)}"


def checkpoints_folder() -> Path:
    """Where checkpoints are: $PLUMAGE_CHECKPOINTS, or checkpoints/ beside this package."""
    beside = Path(__file__).parents[2] / "checkpoints"
    return Path(os.environ.get("PLUMAGE_CHECKPOINTS", beside))


def variant_folders(folder: Path) -> list[Path]:
    """The folders in `folder` that hold a model.onnx, one a variant, the study's seven first."""
    if not folder.is_dir():
        return []
    models = folder.glob(f"*/{MODEL}")
    found = [path.parent for path in models if path.parent.name[0] != "."]
    rank = {norm: place for place, norm in enumerate(NORMS)}
    return sorted(found, key=lambda path: (rank.get(path.name, len(NORMS)), path.name))


def stamps(folder: Path) -> tuple[tuple[str, int], ...]:
    """Changes whenever a variant in `folder` appears, changes or goes."""
    files = [(path.name, path / MODEL) for path in variant_folders(folder)]
    return tuple((name, file.stat().st_mtime_ns if file.is_file() else 0) for name, file in files)


def open_variants(folder: Path) -> tuple[dict[str, Classifier], list[str]]:
    """Every variant that can serve, by name and in order, and what is wrong with the others."""
    variants, faults = {}, []
    for path in variant_folders(folder):
        try:
            variants[path.name] = Classifier(path)
        except CheckpointError as error:
            faults.append(str(error))
    return variants, faults
