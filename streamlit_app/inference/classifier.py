"""A checkpoint folder to species probabilities and heatmaps, by plumage/contract.py."""

import json
import math
import os
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from plumage.contract import (
    COVERAGE,
    IMAGE_SIZE,
    LOOKS,
    MAX_SPECIES,
    MIN_SPECIES,
    MODEL,
    NORM,
    NORM_NAMES,
    NOUN,
    NOVELTY_THRESHOLD,
    OUTPUTS,
    PHOTOS,
    RESULTS,
    SET_THRESHOLDS,
    SPECIES,
    SPECIES_RULE,
    TEMPERATURE,
    VERY_LIKELY,
    is_species_name,
)
from plumage.looks import ONE_LOOK, Answer, answer, are_looks
from streamlit_app.inference.onnx_graph import Graph, GraphError
from streamlit_app.species import default_noun, ood_label

NO_MODEL = (
    "Plumage can name what a photo shows once it has a model: make one with "
    "`python -m trainer --norm bn --data PHOTOS`."
)
CHECKPOINTS = Path(__file__).resolve().parents[2] / "checkpoints"
MAX_IMAGE_SIZE = 1024  # pixels: as long as the app keeps a photo's side


class Version(NamedTuple):
    """A folder of variants, and the name and time of writing of each."""

    folder: str
    files: tuple[tuple[str, int], ...]


class CheckpointError(ValueError):
    """A fault of a checkpoint, in one sentence that names its folder."""


@dataclass(frozen=True)
class Prediction:
    """A checkpoint's predictions for N photos.

    species: in the order of the others. probabilities: (N, species) float32, rows sum to 1.
    heatmaps: (N, species, h, w) float32, each species' Grad-CAM map: non-negative, unscaled.
    is_ood: (N,) bool, whether the photo is probably out of distribution: it shows none of the
    species. prediction_sets: by coverage, COVERAGE and others, (N, species) bool. frames:
    (N, looks, 4), each look's left, top, right and bottom as parts of the photo; None where there
    was one look. noun: for what a photo shows.
    """

    species: tuple[str, ...]
    probabilities: np.ndarray
    heatmaps: np.ndarray
    is_ood: np.ndarray
    prediction_sets: Mapping[float, np.ndarray]
    frames: np.ndarray | None = None
    noun: str = "class"

    @property
    def ood_label(self) -> str:
        """The words for a photo that is out of distribution."""
        return ood_label(len(self.species), self.noun)

    def ranking(self, photo: int) -> list[tuple[str, float]]:
        """Every species with its probability for the photo of that number, likeliest first."""
        row = self.probabilities[photo]
        return [(self.species[index], float(row[index])) for index in np.argsort(-row)]

    def prediction_set(self, photo: int, coverage: float = COVERAGE) -> list[str]:
        """The species in the photo's prediction set, likeliest first.

        Coverage is over all photos: sets of several species hold the right one less often.
        """
        held = self.prediction_sets[coverage][photo]
        return [self.species[i] for i in np.argsort(-self.probabilities[photo]) if held[i]]

    def heatmap(self, photo: int, species: str) -> np.ndarray:
        """(h, w) float32: that species' map for the photo of that number."""
        return self.heatmaps[photo, self.species.index(species)]


@dataclass(frozen=True)
class Calibration:
    """The looks of a prediction, and the constants fitted on such predictions for val photos."""

    names: tuple[str, ...]
    energy_weight: float
    temperature: float
    novelty_threshold: float
    set_thresholds: Mapping[float, float]

    @classmethod
    def from_metadata(
        cls, values: Mapping[str, Any], names: Sequence[str], energy_weight: float
    ) -> "Calibration":
        """Raises KeyError, TypeError, ValueError where the values cannot be read."""
        thresholds = dict(values[SET_THRESHOLDS])
        return cls(
            tuple(names),
            energy_weight,
            float(values[TEMPERATURE]),
            float(values[NOVELTY_THRESHOLD]),
            {float(key): float(value) for key, value in thresholds.items()},
        )


class Classifier:
    """A checkpoint that classifies batches of photos, from any number of threads at once.

    folder: the checkpoint's. name: of that folder. norm: the key of its normalisation. image_size:
    the side in pixels that photos are resized to. species: their names, in the order of the
    predictions. looks: the names of those that make an answer. noun: for what a photo shows.
    """

    def __init__(self, folder: Path, one_look: bool = False) -> None:
        """Open and smoke-test `folder`/model.onnx; raises CheckpointError.

        one_look: answer from one look at the whole photo, whatever the model was calibrated for.
        """
        self.folder = folder
        self.one_look = one_look
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
        self._smoke_test()

    def classify(self, photos: Sequence[Image.Image]) -> Prediction:
        """Classify one or more RGB photos of any shape; raises CheckpointError."""
        fitted = self._calibration
        found = answer(self._run, photos, self.image_size, fitted.names, fitted.energy_weight)
        return self._prediction(found, fitted)

    def _prediction(self, found: Answer, fitted: Calibration) -> Prediction:
        # Sets are of raw probabilities: the temperature was fitted on the calibration photos.
        raw = _softmax(found.logits)
        likeliest = np.arange(len(self.species)) == raw.argmax(axis=1, keepdims=True)
        probabilities = _softmax(found.logits / fitted.temperature)
        several = len(fitted.names) > 1
        # Those of several looks were fitted on doubtful photos alone.
        shown = probabilities.max(axis=1, keepdims=True) < (VERY_LIKELY if several else np.inf)
        return Prediction(
            self.species,
            probabilities,
            found.heatmaps,
            found.novelty > fitted.novelty_threshold,
            {
                level: (raw >= least) & shown | likeliest
                for level, least in fitted.set_thresholds.items()
            },
            found.frames if several else None,
            self.noun,
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
            species = json.loads(metadata[SPECIES])
            values = dict(metadata) | {SET_THRESHOLDS: json.loads(metadata[SET_THRESHOLDS])}
            calibrations = [Calibration.from_metadata(values, ONE_LOOK, 0.0)]
            if LOOKS in metadata:
                looks = json.loads(metadata[LOOKS])
                if not are_looks(looks["names"]):
                    raise ValueError(looks["names"])
                weight = float(looks["energy_weight"])
                calibrations.append(Calibration.from_metadata(looks, looks["names"], weight))
        except KeyError as error:
            raise CheckpointError(f"{self._name} has no {error} in its metadata.") from error
        except (TypeError, ValueError, RecursionError) as error:
            raise CheckpointError(f"{self._name} has metadata that cannot be read.") from error
        if not 1 <= self.image_size <= MAX_IMAGE_SIZE:
            raise CheckpointError(
                f"{self._name} is for photos of {self.image_size} pixels: it may be 1 to "
                f"{MAX_IMAGE_SIZE}."
            )
        if not isinstance(species, list) or not all(map(is_species_name, species)):
            raise CheckpointError(
                f"{self._name} has a species without a proper name ({SPECIES_RULE})."
            )
        if not MIN_SPECIES <= len(species) <= MAX_SPECIES or len(set(species)) != len(species):
            raise CheckpointError(
                f"{self._name} names fewer than two species, more than {MAX_SPECIES}, or one twice."
            )
        self.species = tuple(species)
        noun = metadata.get(NOUN, "")
        self.noun = noun if is_species_name(noun) else default_noun(species)
        for fitted in calibrations:
            self._check_calibration(fitted)
        self._calibration = calibrations[0 if self.one_look else -1]
        self.looks = self._calibration.names

    def _check_calibration(self, fitted: Calibration) -> None:
        if not (fitted.temperature > 0 and math.isfinite(fitted.temperature)):
            raise CheckpointError(f"{self._name} has a temperature of {fitted.temperature}.")
        for words, value in (
            ("a novelty threshold", fitted.novelty_threshold),
            ("an energy weight", fitted.energy_weight),
        ):
            if not math.isfinite(value):
                raise CheckpointError(f"{self._name} has {words} of {value}.")
        least = fitted.set_thresholds
        if COVERAGE not in least or not all(0 <= share <= 1 for share in least.values()):
            raise CheckpointError(f"{self._name} has set thresholds of {dict(least)}.")

    def _smoke_test(self) -> None:
        """Check the graph's outputs for a grey batch of two against the metadata."""
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


def checkpoints_folder() -> Path:
    """The folder of checkpoints: $PLUMAGE_CHECKPOINTS, or checkpoints/ beside this package."""
    return Path(os.environ.get("PLUMAGE_CHECKPOINTS") or CHECKPOINTS)


def checkpoints_flag(folder: Path) -> str:
    """The flag by which a command finds that folder; empty for the one that is shipped."""
    folder = folder.resolve()
    if folder == CHECKPOINTS:
        return ""
    if (here := Path.cwd()) in folder.parents:
        folder = folder.relative_to(here)
    return f" --checkpoints {shlex.quote(str(folder))}"


def set_folders(root: Path) -> list[Path]:
    """The folders that hold variants: `root` itself, and those in it."""
    within = sorted(root.glob("*/")) if root.is_dir() else []
    folders = [root, *(path for path in within if path.name != RESULTS)]
    return [folder for folder in folders if variant_folders(folder)]


def variant_folders(folder: Path) -> list[Path]:
    """The folders in `folder` that hold a model.onnx, one a variant, the study's seven first."""
    if not folder.is_dir():
        return []
    models = folder.glob(f"*/{MODEL}")
    found = [path.parent for path in models if path.parent.name[0] != "."]
    rank = {norm: place for place, norm in enumerate(NORM_NAMES)}
    return sorted(found, key=lambda path: (rank.get(path.name, len(NORM_NAMES)), path.name))


def version_of(folder: Path) -> Version:
    """The version of the variants in `folder`: it changes where one appears, changes or goes."""
    files = [(path.name, path / MODEL) for path in variant_folders(folder)]
    return Version(
        str(folder),
        tuple((name, file.stat().st_mtime_ns if file.is_file() else 0) for name, file in files),
    )


def open_variants(folder: Path) -> tuple[dict[str, Classifier], list[str]]:
    """Open every variant: by name those that can serve, in order, and the others' faults."""
    variants, faults = {}, []
    for path in variant_folders(folder):
        try:
            variants[path.name] = Classifier(path)
        except CheckpointError as error:
            faults.append(str(error))
    return variants, faults
