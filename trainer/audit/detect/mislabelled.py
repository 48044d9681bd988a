"""Probable label errors: confident learning (Northcutt et al. 2021) on a trained checkpoint."""

import numpy as np
from cleanlab.filter import find_label_issues
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from trainer.audit.detect.inference import Network
from trainer.audit.detect.survey import Survey

SURE = 0.9  # probability of another species from which on a label is suspected
UNLIKELY = 0.02  # probability of the photo's own species up to which it is
HARDLY = 0.1  # up to which a network hardly believes the label
# Share of labels; above it the network is at fault, not the labels.
MAX_LOW_SELF_CONFIDENCE = 0.4


def species_probabilities(
    accurate: Network, fast: Network, photos: Survey, logits: NDArray[np.float32]
) -> NDArray[np.float64] | None:
    """Probabilities (photos, species), or None where neither network nor set can give them.

    Args:
        accurate: asked where the fast network hardly believes the label.
        fast: it knows the same species.
        photos: the set.
        logits: (photos, outputs) of the fast network.
    """
    probabilities = fast.probabilities(logits, photos.species)
    if probabilities is None:
        return own_probabilities(logits, photos.labels, len(photos.species))
    if accurate is not fast:
        unsure = np.flatnonzero(low_self_confidence(photos.labels, probabilities))
        answers = accurate.logits(photos.pixels, unsure)
        probabilities[unsure] = accurate.probabilities(answers, photos.species)
    return probabilities


def low_self_confidence(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """(photos,) whether the network hardly believes each label."""
    return probabilities[np.arange(len(labels)), labels] <= HARDLY


def own_probabilities(
    logits: NDArray[np.float32], labels: NDArray[np.int64], species: int
) -> NDArray[np.float64] | None:
    """Probabilities (photos, species) for species that the network does not know.

    A linear classifier on the network's logits, each photo judged by one that was not fitted to
    it; None where there are too few photos of a species.
    """
    if np.bincount(labels, minlength=species).min() < 5:
        return None
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=200))
    return cross_val_predict(model, logits, labels, cv=5, method="predict_proba")


def suspected_label_errors(
    labels: NDArray[np.int64], probabilities: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Photos whose label is probably wrong, the surest first; none if the network knows too little.

    Args:
        labels: (photos,) the species.
        probabilities: (photos, species) of a network that did not train on these labels.
    """
    if low_self_confidence(labels, probabilities).mean() > MAX_LOW_SELF_CONFIDENCE:
        return np.array([], dtype=np.int64)
    ranked = find_label_issues(
        labels,
        probabilities,
        return_indices_ranked_by="self_confidence",
        filter_by="confident_learning",
        n_jobs=1,
    )
    own = probabilities[ranked, labels[ranked]]
    sure = (probabilities[ranked].max(axis=1) >= SURE) & (own <= UNLIKELY)
    return ranked[sure]
