"""Calibration of the combined answer of several looks, and its measures on test photos."""

from pathlib import Path
from typing import Any

import numpy as np

from plumage.contract import (
    LOOKS,
    NOVELTY_THRESHOLD,
    SET_THRESHOLDS,
    TEMPERATURE,
)
from plumage.looks import LOOKS as NAMES
from plumage.looks import energy
from trainer.checkpoint import calibration
from trainer.checkpoint.export.classifier_onnx import add_metadata
from trainer.checkpoint.predictions import looked_at
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet
from trainer.metrics import fit_temperature, scores_with_intervals

# By whether the network was trained with outliers: the spread of the energy in the novelty over
# that of the mean novelty, and the share of val photos below the threshold. Such a network is
# unsure of what it does not know, so its energy tells more. Chosen on val photos and on photos as
# people take them.
ENERGY_SPREAD = {False: 1.0, True: 4.0}
ACCEPTED = {False: 0.95, True: 0.93}


def calibrate_looks(
    model: Path, source: PhotoFolder, photos: dict[str, PhotoSet], with_outliers: bool = False
) -> dict[str, Any]:
    """Fit the combined answer of a model.onnx on val photos, and store it in its metadata.

    Args:
        model: changed in place.
        source: of the photos, which are read whole.
        photos: val.
        with_outliers: whether the network was trained with outliers.

    Returns:
        For report.json: the names of the looks, and what was fitted.
    """
    val, labels = looked_at(model, source, photos, "val"), photos["val"].labels
    spread = ENERGY_SPREAD[with_outliers] * float(val.novelty.std())
    weight = spread / max(float(energy(val.logits).std()), 1e-6)
    novelty = val.weighted(weight).novelty
    threshold = float(np.quantile(novelty, ACCEPTED[with_outliers], method="higher"))
    temperature = fit_temperature(val.logits, labels)
    shown = calibration.is_doubtful(val.logits, temperature) & (novelty <= threshold)
    fitted = {
        "names": list(NAMES),
        "energy_weight": weight,
        TEMPERATURE: temperature,
        NOVELTY_THRESHOLD: threshold,
        SET_THRESHOLDS: calibration.thresholds_where_shown(val.logits, labels, shown),
    }
    add_metadata(model, {LOOKS: fitted})
    return fitted


def measure_looks(
    model: Path, source: PhotoFolder, photos: dict[str, PhotoSet], fitted: dict[str, Any]
) -> dict[str, Any]:
    """Measure the combined answer of a model.onnx on val and test photos.

    Args:
        model: calibrated.
        source: of the photos, which are read whole.
        photos: val and test.
        fitted: as `calibrate_looks` returns it.

    Returns:
        For report.json: what was fitted, and the measures of one look for the combination.
    """
    seen = {split: looked_at(model, source, photos, split) for split in ("val", "test")}
    accepted = {
        split: part.weighted(fitted["energy_weight"]).novelty <= fitted[NOVELTY_THRESHOLD]
        for split, part in seen.items()
    }
    logits, labels = seen["test"].logits, photos["test"].labels
    doubtful, sets = calibration.is_doubtful(logits, fitted[TEMPERATURE]), fitted[SET_THRESHOLDS]
    return fitted | {
        "metrics": {
            split: scores_with_intervals(photos[split].labels, part.logits.argmax(axis=1))
            for split, part in seen.items()
        },
        "accepted": {split: float(part.mean()) for split, part in accepted.items()},
        "prediction_sets": calibration.coverage(logits, labels, sets, doubtful),
        "shown_sets": calibration.measured_where_shown(
            logits, labels, sets, doubtful & accepted["test"]
        ),
    }
