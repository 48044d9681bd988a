"""Shortcuts: how well a single cue, without any bird, predicts the species.

A network takes the easiest way. If the border, the corners or the JPEG tables say which species it
is, it learns them (Geirhos et al. 2020, "Shortcut learning in deep neural networks").
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.tree import DecisionTreeClassifier

from trainer.audit.detect.borders import Border
from trainer.audit.detect.quality import Measures
from trainer.audit.detect.survey import Header

FOLDS = 3
BIRD = ("corners", "mean colour", "sharpness")  # cues that are informative by nature
MIN_AUROC = {"of the bird": 0.75, "not": 0.55}  # from which on a cue is called a shortcut
SURE = 4  # standard errors by which its AUROC has to exceed a half
CONCERNED = 0.8  # deviations within a species by which a species differs from the usual one


@dataclass(frozen=True)
class Cue:
    """A cue's accuracy as the only predictor of the species.

    Attributes:
        name: of the cue.
        accuracy: cross-validated, every species counting the same.
        chance: what guessing would have.
        auroc: of each species against the others, their mean; guessing has 0.5.
        shortcut: whether that is more than the cue should know.
        species: those in which it differs most from the usual species.
    """

    name: str
    accuracy: float
    chance: float
    auroc: float
    shortcut: bool
    species: tuple[str, ...]


def cues(
    headers: Sequence[Header], measures: Sequence[Measures], borders: Sequence[Border | None]
) -> dict[str, NDArray[np.float64]]:
    """Every cue's values (photos, dims)."""
    sizes = np.array([header.size for header in headers], float)
    kinds = {tables: number for number, tables in enumerate({h.tables: 0 for h in headers})}
    return {
        "border": np.array([[b.area, abs(b.degrees)] if b else [0.0, 0.0] for b in borders]),
        "corners": np.stack([m.corners for m in measures]).astype(float),
        "mean colour": np.stack([m.colour for m in measures]).astype(float),
        "sharpness": np.array([[m.sharpness, m.contrast] for m in measures]),
        "JPEG tables": np.array([[sum(h.tables), kinds[h.tables]] for h in headers], float),
        "size": sizes,
        "aspect": (sizes[:, :1] / sizes[:, 1:]).round(3),
    }


Fold = tuple[NDArray[np.int64], NDArray[np.int64]]


def folds_of(labels: NDArray[np.int64], groups: NDArray[np.int64]) -> list[Fold]:
    """Folds to fit and to measure on, without a group in both; none where there are too few groups.

    A species of fewer groups than folds is not learned in some of them.
    """
    numbers, firsts, of_photo = np.unique(groups, return_index=True, return_inverse=True)
    species = labels[firsts]  # a group of several species counts as the first one's
    photos, scenes = (np.unique(of, return_counts=True)[1] for of in (labels, species))
    folds = min(FOLDS, int(photos.min()), int(scenes.max()))
    if len(photos) < 2 or folds < 2:
        return []
    split = StratifiedKFold(folds, shuffle=True, random_state=0).split(numbers, species)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of such a species
        return [
            (np.flatnonzero(np.isin(of_photo, fit)), np.flatnonzero(np.isin(of_photo, measured)))
            for fit, measured in split
        ]


def score_cue(
    name: str,
    values: NDArray[np.float64],
    labels: NDArray[np.int64],
    folds: Sequence[Fold],
    species: Sequence[str],
) -> Cue:
    """Cross-validate a cue (photos, dims) as a predictor of the species, over `folds_of`."""
    present, labels = np.unique(labels, return_inverse=True)
    chance = 1 / len(present)
    if np.ptp(values, axis=0).max() == 0 or not folds:
        return Cue(name, chance, chance, 0.5, False, ())
    tree = DecisionTreeClassifier(
        max_leaf_nodes=64, min_samples_leaf=5, class_weight="balanced", random_state=0
    )
    probabilities = cross_val_predict(tree, values, labels, cv=folds, method="predict_proba")
    right = probabilities.argmax(axis=1) == labels
    counts = np.bincount(labels)
    accuracy = float((np.bincount(labels, right) / counts).mean())
    aurocs = [roc_auc_score(labels == k, probabilities[:, k]) for k in range(len(present))]
    auroc = float(np.mean(aurocs))
    error = 1 / np.sqrt(12 * len(labels))  # of the AUROC of a cue that says nothing
    least = MIN_AUROC["of the bird" if name in BIRD else "not"]
    shortcut = auroc >= least and auroc > 0.5 + SURE * error
    told = tuple(species[present[k]] for k in _apart(values, labels))
    return Cue(name, accuracy, chance, auroc, bool(shortcut), told)


def _apart(values: NDArray[np.float64], labels: NDArray[np.int64]) -> list[int]:
    """Species whose values (photos, dims) are far from the usual species', the farthest first."""
    count = labels.max() + 1
    means = np.stack([values[labels == k].mean(axis=0) for k in range(count)])
    within = np.stack([values[labels == k].std(axis=0) for k in range(count)])
    spread = np.sqrt((within**2).mean(axis=0)) + 1e-6
    distance = (np.abs(means - np.median(means, axis=0)) / spread).max(axis=1)
    return [int(k) for k in np.argsort(-distance, kind="stable") if distance[k] >= CONCERNED]
