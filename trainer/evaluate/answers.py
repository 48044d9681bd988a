"""A checkpoint's answers as the app's visitors get them: by all looks that it is calibrated for."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from plumage.contract import MODEL, NOVELTY_THRESHOLD, TEMPERATURE
from plumage.looks import ONE_LOOK
from trainer.checkpoint.predictions import (
    Predictions,
    by_looks,
    cached_predictions,
    looked_at,
)
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet


class Looks(NamedTuple):
    """The looks of a checkpoint, and the calibration of their combined answer."""

    names: tuple[str, ...]
    energy_weight: float
    temperature: float
    threshold: float

    @classmethod
    def of(cls, report: dict[str, Any]) -> "Looks":
        """Those of a report.json; where it has none, one look at the whole photo."""
        if found := report.get("looks"):
            return cls(
                tuple(found["names"]),
                found["energy_weight"],
                found[TEMPERATURE],
                found[NOVELTY_THRESHOLD],
            )
        return cls(ONE_LOOK, 0.0, report["temperature"], report["novelty"]["threshold"])


def held_out_answers(
    folder: Path, report: dict[str, Any], source: PhotoFolder, photos: PhotoSet, split: str
) -> Predictions:
    """A checkpoint's logits and novelty on val or test photos, cached beside them.

    photos: the split's, as the checkpoint's image_size has them.
    """
    looks = Looks.of(report)
    if looks.names == ONE_LOOK:
        return cached_predictions(folder / MODEL, photos)
    seen = looked_at(folder / MODEL, source, {split: photos}, split)
    return seen.weighted(looks.energy_weight)


def answers_to(folder: Path, report: dict[str, Any], images: Iterable[Image.Image]) -> Predictions:
    """A checkpoint's logits and novelty on one RGB photo at least, of any shapes."""
    looks = Looks.of(report)
    return by_looks(folder / MODEL, images, looks.names, looks.energy_weight)
