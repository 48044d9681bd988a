"""Decoded photos to fields of a table's rows; runs in a worker."""

from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from plumage.contract import MODEL
from streamlit_app.inference.classifier import CheckpointError, Classifier, Prediction
from streamlit_app.inference.protocol import Decoded
from streamlit_app.species import common_name

__all__ = ["CheckpointError", "classify_batch", "row_fields"]


def classify_batch(
    checkpoint: Path, one_look: bool, files: Sequence[Decoded]
) -> list[dict[str, Any]]:
    """Classify a few photos: fields of a row each; raises CheckpointError."""
    photos = [file.photo for file in files if file.photo]
    if not photos:
        return [file.fields for file in files]
    model = checkpoint / MODEL
    version = model.stat().st_mtime_ns if model.exists() else 0
    prediction = _classifier(checkpoint, version, one_look).classify(photos)
    numbers = iter(range(len(photos)))
    return [
        file.fields | (row_fields(prediction, next(numbers)) if file.photo else {})
        for file in files
    ]


def row_fields(prediction: Prediction, photo: int) -> dict[str, Any]:
    """Fields of `table.Row` that a prediction decides, for the photo of that number."""
    name = partial(common_name, classes=prediction.species)
    (first, probability), (second, second_probability), *_ = prediction.ranking(photo)
    if prediction.is_ood[photo]:
        return {
            "species": prediction.ood_label,
            "second_species": name(first),
            "second_probability": probability,
        }
    return {
        "species": name(first),
        "probability": probability,
        "second_species": name(second),
        "second_probability": second_probability,
        "prediction_set": "; ".join(map(name, prediction.prediction_set(photo))),
    }


@lru_cache(maxsize=1)
def _classifier(checkpoint: Path, version: int, one_look: bool) -> Classifier:
    return Classifier(checkpoint, one_look)
