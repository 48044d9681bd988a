"""A checkpoint's answers as the app's visitors get them: by all looks that it is calibrated for."""

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from plumage.contract import MODEL, NOVELTY_THRESHOLD, TEMPERATURE
from plumage.looks import ONE_LOOK, answer, energy
from trainer.checkpoint.calibrate_looks import BATCH, looked_at
from trainer.checkpoint.write import Predictions, cached_predictions
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet
from trainer.metrics import opened


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
    weighted = looks.energy_weight * energy(seen.logits)
    return Predictions(seen.logits, (seen.novelty + weighted).astype(np.float32))


def answers_to(folder: Path, report: dict[str, Any], images: Iterable[Image.Image]) -> Predictions:
    """A checkpoint's logits and novelty on one RGB photo at least, of any shapes."""
    looks, (run, side) = Looks.of(report), opened(folder / MODEL)
    parts = [
        answer(run, batch, side, looks.names, looks.energy_weight) for batch in _batches(images)
    ]
    return Predictions(
        np.concatenate([part.logits for part in parts]),
        np.concatenate([part.novelty for part in parts]),
    )


def _batches(images: Iterable[Image.Image]) -> Iterator[list[Image.Image]]:
    waiting = iter(images)
    while batch := list(islice(waiting, BATCH)):
        yield batch
