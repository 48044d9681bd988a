"""OOD scores of the literature, which `novelty` is compared with.

Each is fitted on training photos and larger out of distribution.
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

Scores = NDArray[np.floating]


class Features(NamedTuple):
    """A network's features of N photos.

    Attributes:
        pooled: (N, C), means of the last map's channels, which enter the linear layer.
        logits: (N, species).
    """

    pooled: NDArray[np.float32]
    logits: Logits


Score = Callable[[Features], Scores]


def maximum_softmax(train: Features, labels: Labels) -> Score:
    """One less the largest probability (Hendrycks and Gimpel 2017, arXiv:1610.02136)."""
    return lambda photos: 1 - special.softmax(photos.logits, axis=1).max(axis=1)


def maximum_logit(train: Features, labels: Labels) -> Score:
    """The largest logit, negative (Hendrycks et al. 2022, arXiv:1911.11132)."""
    return lambda photos: -photos.logits.max(axis=1)


def energy(train: Features, labels: Labels) -> Score:
    """-log sum exp of the logits (Liu et al. 2020, arXiv:2010.03759)."""
    return lambda photos: -special.logsumexp(photos.logits, axis=1)


def mahalanobis(train: Features, labels: Labels) -> Score:
    """The squared distance to the nearest species' mean under the covariance that all species
    share (Lee et al. 2018, arXiv:1807.03888)."""
    species, own = np.unique(labels, return_inverse=True)
    centres = np.stack([train.pooled[own == i].mean(axis=0) for i in range(len(species))])
    within = LedoitWolf().fit(train.pooled - centres[own])
    return lambda photos: np.min([within.mahalanobis(photos.pooled - c) for c in centres], axis=0)


def relative_mahalanobis(train: Features, labels: Labels) -> Score:
    """The same, less the distance to all photos together (Ren et al. 2021, arXiv:2106.09022)."""
    nearest, overall = mahalanobis(train, labels), LedoitWolf().fit(train.pooled)
    return lambda photos: nearest(photos) - overall.mahalanobis(photos.pooled)


def nearest_features(train: Features, labels: Labels) -> Score:
    """The distance of normalised features to their tenth nearest in training (Sun et al. 2022,
    arXiv:2204.06507)."""
    neighbours = NearestNeighbors(n_neighbors=NEIGHBOURS).fit(normalize(train.pooled))
    return lambda photos: neighbours.kneighbors(normalize(photos.pooled))[0][:, -1]


def virtual_logit(train: Features, labels: Labels) -> Score:
    """ViM: the part of the features outside their principal half, scaled to one more logit, against
    the energy of the others (Wang et al. 2022, arXiv:2203.10807)."""
    # The point where all logits are equal.
    known = np.column_stack([train.pooled, np.ones(len(labels))])
    weights = np.linalg.lstsq(known, train.logits, rcond=None)[0]
    origin = -np.linalg.pinv(weights[:-1].T) @ weights[-1]
    moved = train.pooled - origin
    outside = np.linalg.eigh(moved.T @ moved)[1][:, : moved.shape[1] // 2]  # least first

    def residual(photos: Features) -> Scores:
        return np.linalg.norm((photos.pooled - origin) @ outside, axis=1)

    scale = train.logits.max(axis=1).mean() / residual(train).mean()
    return lambda photos: scale * residual(photos) - special.logsumexp(photos.logits, axis=1)


SCORES: dict[str, Callable[[Features, Labels], Score]] = {
    "maximum softmax": maximum_softmax,
    "maximum logit": maximum_logit,
    "energy": energy,
    "Mahalanobis": mahalanobis,
    "relative Mahalanobis": relative_mahalanobis,
    "nearest features": nearest_features,
    "ViM": virtual_logit,
}
