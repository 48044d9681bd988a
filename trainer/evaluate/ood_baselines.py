"""Scores of how strange a photo is, from what a network makes of it: what novelty is chosen from.

Each is fitted on training photos and larger for stranger ones. Features are the channels' means of
the last map, from which the linear layer makes the logits.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special
from sklearn.covariance import LedoitWolf
from sklearn.neighbors import NearestNeighbors
from sklearn.preprocessing import normalize

from trainer.metrics import Labels, Logits

NEIGHBOURS = 10

Features = NDArray[np.float32]
Scores = NDArray[np.floating]


class Seen(NamedTuple):
    """What a network makes of N photos: features (N, C) and logits (N, species)."""

    features: Features
    logits: Logits


Score = Callable[[Seen], Scores]


def maximum_softmax(train: Seen, labels: Labels) -> Score:
    """One less the largest probability (Hendrycks and Gimpel 2017, arXiv:1610.02136)."""
    return lambda seen: 1 - special.softmax(seen.logits, axis=1).max(axis=1)


def maximum_logit(train: Seen, labels: Labels) -> Score:
    """The largest logit, negative (Hendrycks et al. 2022, arXiv:1911.11132)."""
    return lambda seen: -seen.logits.max(axis=1)


def energy(train: Seen, labels: Labels) -> Score:
    """-log sum exp of the logits (Liu et al. 2020, arXiv:2010.03759)."""
    return lambda seen: -special.logsumexp(seen.logits, axis=1)


def mahalanobis(train: Seen, labels: Labels) -> Score:
    """The squared distance to the nearest species' mean under the covariance that all species
    share (Lee et al. 2018, arXiv:1807.03888)."""
    species, own = np.unique(labels, return_inverse=True)
    centres = np.stack([train.features[own == i].mean(axis=0) for i in range(len(species))])
    within = LedoitWolf().fit(train.features - centres[own])
    return lambda seen: np.min([within.mahalanobis(seen.features - c) for c in centres], axis=0)


def relative_mahalanobis(train: Seen, labels: Labels) -> Score:
    """The same, less the distance to all photos together (Ren et al. 2021, arXiv:2106.09022)."""
    nearest, overall = mahalanobis(train, labels), LedoitWolf().fit(train.features)
    return lambda seen: nearest(seen) - overall.mahalanobis(seen.features)


def nearest_features(train: Seen, labels: Labels) -> Score:
    """The distance of normalised features to their tenth nearest in training (Sun et al. 2022,
    arXiv:2204.06507)."""
    neighbours = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(normalize(train.features))
    return lambda seen: neighbours.kneighbors(normalize(seen.features))[0][:, -1]


def virtual_logit(train: Seen, labels: Labels) -> Score:
    """ViM: what of the features lies outside their principal half, scaled to be one more logit,
    against the energy of the others (Wang et al. 2022, arXiv:2203.10807)."""
    # Where all logits are alike: the features that the linear layer knows nothing from.
    known = np.column_stack([train.features, np.ones(len(labels))])
    weights = np.linalg.lstsq(known, train.logits, rcond=None)[0]
    origin = -np.linalg.pinv(weights[:-1].T) @ weights[-1]
    moved = train.features - origin
    outside = np.linalg.eigh(moved.T @ moved)[1][:, : moved.shape[1] // 2]  # least first

    def residual(seen: Seen) -> Scores:
        return np.linalg.norm((seen.features - origin) @ outside, axis=1)

    scale = train.logits.max(axis=1).mean() / residual(train).mean()
    return lambda seen: scale * residual(seen) - special.logsumexp(seen.logits, axis=1)


SCORES: dict[str, Callable[[Seen, Labels], Score]] = {
    "maximum softmax": maximum_softmax,
    "maximum logit": maximum_logit,
    "energy": energy,
    "Mahalanobis": mahalanobis,
    "relative Mahalanobis": relative_mahalanobis,
    "nearest features": nearest_features,
    "ViM": virtual_logit,
}
