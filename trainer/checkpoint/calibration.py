"""Prediction sets that hold the bird as often as they promise: split conformal prediction.

A set is every species whose softmax probability reaches a threshold, and always the likeliest. The
threshold is an order statistic of the probabilities that the calibration photos' own species got
(Sadinle, Lei and Wasserman 2019, arXiv:1609.00451; Angelopoulos and Bates 2021, arXiv:2107.07511).
Where new photos are exchangeable with those, it holds the species at least as often as promised,
whatever the network, and no rule that promises as much gives smaller sets where the probabilities
are right (the former paper).

The probabilities are those of temperature 1: the temperature was fitted on the same photos, and
with it they would not be exchangeable with new ones.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from plumage.contract import COVERAGE, SET_LEVELS, VERY_LIKELY
from trainer.metrics import Labels, Logits


def set_thresholds(logits: Logits, labels: Labels) -> dict[str, float]:
    """The least probability in a set, for each level.

    Args:
        logits: (N, species) of calibration photos.
        labels: (N,) their species.

    Returns:
        By level, as in "0.95". Where there are too few photos to promise so much it is 0: the set
        of all species.
    """
    own = np.sort(special.softmax(logits, axis=1)[np.arange(len(labels)), labels])
    # One photo more than were seen: the new one may stand anywhere among them.
    places = {level: math.floor((len(labels) + 1) * (1 - level) + 1e-9) for level in SET_LEVELS}
    return {str(level): float(own[k - 1]) if k else 0.0 for level, k in places.items()}


def is_doubtful(logits: Logits, temperature: float) -> NDArray[np.bool_]:
    """(N,): whether the likeliest species is less than VERY_LIKELY, so that the app shows a set."""
    doubtful: NDArray[np.bool_] = (
        special.softmax(logits / temperature, axis=1).max(axis=1) < VERY_LIKELY
    )
    return doubtful


def thresholds_where_shown(
    logits: Logits, labels: Labels, shown: NDArray[np.bool_]
) -> dict[str, float]:
    """The least probability in a set, for each level, fitted on the photos that show one.

    Sets then hold the species as often as promised among these photos, not over all (Mondrian
    conformal prediction: Vovk, Lindsay, Nouretdinov and Gammerman 2003). Fitted on all photos where
    those that show a set are too few.

    Args:
        logits, labels: as for `set_thresholds`.
        shown: (N,), by what is known without the label.
    """
    enough = (shown.sum() + 1) * (1 - COVERAGE) >= 1
    return (
        set_thresholds(logits[shown], labels[shown]) if enough else set_thresholds(logits, labels)
    )


def prediction_sets(
    logits: Logits, threshold: float, shown: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """(N, species): whether a photo's set holds a species.

    shown: (N,), the photos with a set of more than the likeliest species; None: all.
    """
    probabilities = special.softmax(logits, axis=1)
    likeliest = np.arange(logits.shape[1]) == probabilities.argmax(axis=1, keepdims=True)
    reached = probabilities >= threshold
    return likeliest | (reached if shown is None else reached & shown[:, None])


def coverage(
    logits: Logits,
    labels: Labels,
    thresholds: dict[str, float],
    shown: NDArray[np.bool_] | None = None,
) -> dict[str, Any]:
    """Coverage and size of the prediction sets of test photos.

    shown: as for `prediction_sets`.

    Returns:
        For each level coverage, mean size, and the share of sets of one; and lists of coverage
        and mean size of each species' photos.
    """
    result = {}
    for level, threshold in thresholds.items():
        found = prediction_sets(logits, threshold, shown)
        holds, size = found[np.arange(len(labels)), labels], found.sum(axis=1)
        species = [labels == s for s in range(logits.shape[1])]
        result[level] = {
            "coverage": float(holds.mean()),
            "size": float(size.mean()),
            "single": float((size == 1).mean()),
            "species_coverage": [float(holds[of_it].mean()) for of_it in species],
            "species_size": [float(size[of_it].mean()) for of_it in species],
        }
    return result


def measured_where_shown(
    logits: Logits, labels: Labels, thresholds: dict[str, float], shown: NDArray[np.bool_]
) -> dict[str, Any]:
    """Coverage and size of the sets of COVERAGE that the app shows.

    Args:
        logits, labels, thresholds: as for `coverage`.
        shown: (N,), doubtful photos that are taken for one of the species.

    Returns:
        photos: how many show a set of several species. coverage: how many of the sets hold the
        photo's own, None without any. size: their mean.
    """
    found = prediction_sets(logits, thresholds[str(COVERAGE)])
    size = found.sum(axis=1)
    several = shown & (size > 1)
    holds = found[np.arange(len(labels)), labels][several]
    return {
        "photos": int(several.sum()),
        "coverage": float(holds.mean()) if several.any() else None,
        "size": float(size[several].mean()) if several.any() else None,
    }
