"""The OOD score of a photo: the output `novelty` of model.onnx.

The score adds three parts, each divided by its deviation on training photos and weighted:

- one minus the largest softmax probability (Hendrycks and Gimpel 2017, arXiv:1610.02136);
- the relative Mahalanobis distance (Ren et al. 2021, arXiv:2106.09022): the squared distance to the
  nearest species minus that to all training photos. It uses mean, deviation and roughness of the
  channels of every block, since the last features have lost what does not separate the species;
- the log odds of a logistic regression that separates training photos from pseudo-outliers by these
  statistics and the sorted logits. Pseudo-outliers are training photos with wrong or no colours,
  rotated, swirled, blurred or patched together; no real out-of-distribution photo is used (outlier
  exposure, Hendrycks et al. 2019, arXiv:1812.04606).
"""

import itertools
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy import linalg
from sklearn.covariance import LedoitWolf
from sklearn.linear_model import LogisticRegression
from torch import Tensor, nn

from trainer.metrics import Labels, Logits
from trainer.model.resnet import ResNet, to_input

SAMPLE = 3000  # training photos that the score is fitted on
# Pseudo-outliers made of them, or up to twice as many. Four times as many add at most 0.002 to the
# AUROC against photos of other birds and of none; half the training photos would cost 0.005.
OUTLIERS = 750
ACCEPTED = 0.95  # share of val photos below the threshold
# Number of generalised eigenvectors kept; with them a checkpoint is below 2 MB.
N_COMPONENTS = 280
# Weights of softmax, distance and log odds; softmax adds least to the log odds.
PART_WEIGHTS = 1, 2, 4

REGULARISATION = 0.001  # C of the logistic regression
BATCH = 16  # photos answered at once; 32 or 8 take 3 to 5% longer
CLIP = 8.0  # deviations, limit of a single feature in the regression

Statistics = NDArray[np.float32]
Pixels = NDArray[np.uint8]


class Activations(NamedTuple):
    """A network's statistics (N, S) and logits (N, species) of N photos."""

    statistics: Statistics
    logits: Logits


def statistics(maps: Sequence[Tensor]) -> Tensor:
    """Statistics of feature maps (N, C, H, W): (N, S).

    Each map gives every channel's mean and deviation. Maps smaller than the first give roughness
    before these; in larger ones it adds little and costs most.
    """
    parts = []
    for x in maps:
        if x.shape[2] < maps[0].shape[2]:
            parts.append(roughness(x))
        mean = x.mean(dim=(2, 3))
        # A product of its own: onnxruntime is slower with powers.
        square = (x * x).mean(dim=(2, 3))
        parts += [mean, (square - mean * mean).clamp_min(1e-8).sqrt()]
    return torch.cat(parts, dim=1)


def roughness(x: Tensor) -> Tensor:
    """Mean absolute difference of neighbours in a map (N, C, H, W): (N, C)."""
    down, across = x[:, :, 1:] - x[:, :, :-1], x[..., 1:] - x[..., :-1]
    return down.abs().mean(dim=(2, 3)) + across.abs().mean(dim=(2, 3))


def ood_features(statistics: Tensor, logits: Tensor) -> Tensor:
    """Features of the regression: statistics and sorted logits, largest first, (N, F)."""
    return torch.cat([statistics, logits.sort(dim=1, descending=True).values], dim=1)


class Novelty(nn.Module):
    """The score, from a photo's statistics and logits; `fit` finds its constants.

    Args:
        constants: mean, deviation, weights: (F,), of the features and of the regression.
            directions: (S, D), along which the variance within a species is 1.
            centres: (species, D), the species' means.
            background: (D,), one over the variance of all training photos.
        deviations: of the three parts on training photos, each over its weight.
    """

    mean: Tensor
    deviation: Tensor
    weights: Tensor
    directions: Tensor
    centres: Tensor
    background: Tensor

    def __init__(
        self,
        constants: dict[str, NDArray[np.float64]],
        deviations: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        for name, value in constants.items():
            # The directions are most of what the score adds to a file.
            kind = np.float16 if name == "directions" else np.float32
            self.register_buffer(name, torch.from_numpy(np.asarray(value, kind)))
        self.deviations = deviations

    def parts(self, statistics: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One minus the largest probability, the relative distance, and the log odds of an
        outlier, up to a constant; (N,) each."""
        uncertainty = 1 - logits.softmax(dim=1).amax(dim=1)
        x = (ood_features(statistics, logits) - self.mean) / self.deviation
        z = x[:, : statistics.shape[1]] @ self.directions.float()
        # |z - c|^2 of all species at once; |z|^2 is common to them.
        nearest = ((self.centres * self.centres).sum(dim=1) - 2 * z @ self.centres.T).amin(dim=1)
        distance = nearest + (z * z * (1 - self.background)).sum(dim=1)
        return uncertainty, distance, x.clamp(-CLIP, CLIP) @ self.weights

    def forward(self, statistics: Tensor, logits: Tensor) -> Tensor:
        """statistics: (N, S), logits: (N, species) -> (N,), larger out of distribution."""
        parts = self.parts(statistics, logits)
        uncertainty, distance, odds = (
            part / deviation for part, deviation in zip(parts, self.deviations, strict=True)
        )
        return uncertainty + distance + odds


def fit(own: Activations, labels: Labels, outliers: Activations) -> Novelty:
    """Fit the score on training photos, their species, and pseudo-outliers."""
    features = [ood_features(*map(torch.from_numpy, some)).numpy() for some in (own, outliers)]
    mean = features[0].mean(axis=0, dtype=np.float64)
    # Shrinking covariances towards even ones needs features of one scale; a channel that is dead in
    # training must not drown the others once it fires.
    deviation = features[0].std(axis=0, dtype=np.float64).clip(1e-3)
    own_features, outlier_features = ((x - mean) / deviation for x in features)
    x = own_features[:, : own.statistics.shape[1]]
    names, indices = np.unique(labels, return_inverse=True)
    centres = np.stack([x[indices == i].mean(axis=0) for i in range(len(names))])
    shrunk = LedoitWolf(store_precision=False)  # else it inverts each covariance
    within = shrunk.fit(x - centres[indices]).covariance_
    ratios, vectors = linalg.eigh(shrunk.fit(x).covariance_, within)
    kept = np.argsort(-np.abs(ratios - 1))[:N_COMPONENTS]
    novelty = Novelty(
        {
            "mean": mean,
            "deviation": deviation,
            "weights": fit_outlier_classifier(own_features, outlier_features),
            "directions": vectors[:, kept],
            "centres": centres @ vectors[:, kept],
            "background": 1 / ratios[kept],
        }
    )
    with torch.no_grad():
        parts = novelty.parts(*map(torch.from_numpy, own))
    uncertainty, distance, odds = (
        max(float(part.std()), 1e-6) / weight
        for part, weight in zip(parts, PART_WEIGHTS, strict=True)
    )
    novelty.deviations = uncertainty, distance, odds
    return novelty


def fit_outlier_classifier(
    own: NDArray[np.float64], outliers: NDArray[np.float64]
) -> NDArray[np.float64]:
    """(F,) weights of a regression that separates own photos (N, F) from outliers (N, F)."""
    features = np.concatenate([own, outliers]).clip(-CLIP, CLIP)
    regression = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=1000)
    return regression.fit(features, np.arange(len(features)) >= len(own)).coef_[0]


def corrupt(photos: Pixels) -> Pixels:
    """Photos (N, S, S, 3) -> N pseudo-outliers, each corrupted in one of eight ways."""
    made = photos.copy()
    made[0::8] = 255 - photos[0::8]
    made[1::8] = photos[1::8][..., [1, 2, 0]]
    made[2::8] = photos[2::8].mean(axis=3, keepdims=True)
    made[3::8] = np.rot90(photos[3::8], axes=(1, 2))
    made[4::8] = swirled(photos[4::8])
    made[5::8] = patched(photos[5::8], 2)
    made[6::8] = patched(photos[6::8], 3)
    # Else sharp edges alone would count as outliers, and blurred photos never.
    made[7::8] = blurred(photos[7::8])
    return made


def swirled(photos: Pixels) -> Pixels:
    """Photos (N, S, S, 3), the middle rotated by 180 degrees and the rest by ever less."""
    side = photos.shape[1]
    down, across = np.indices((side, side)) - side / 2
    far = np.hypot(down, across)
    angle = np.arctan2(down, across) + np.pi * np.exp(-far / (0.3 * side))
    places = far * np.stack([np.sin(angle), np.cos(angle)]) + side / 2
    rows, columns = places.round().astype(int).clip(0, side - 1)
    return photos[:, rows, columns]


def blurred(photos: Pixels) -> Pixels:
    """Photos (N, S, S, 3), shrunk to a seventh of their side and enlarged."""
    side = photos.shape[1]
    images = map(Image.fromarray, photos)
    small = (image.resize((max(1, side // 7),) * 2, Image.Resampling.BICUBIC) for image in images)
    made = [image.resize((side, side), Image.Resampling.BICUBIC) for image in small]
    return np.array(made, np.uint8).reshape(photos.shape)


def patched(photos: Pixels, cells: int) -> Pixels:
    """N photos (N, S, S, 3) of cells x cells pieces, each from another photo."""
    rng, made = np.random.default_rng(0), photos.copy()
    edges = np.linspace(0, photos.shape[1], cells + 1).astype(int)
    for top, bottom in itertools.pairwise(edges):
        for left, right in itertools.pairwise(edges):
            others = rng.permutation(len(photos))
            made[:, top:bottom, left:right] = photos[others, top:bottom, left:right]
    return made


def statistics_of(
    network: ResNet, photos: NDArray[np.uint8], dtype: torch.dtype = torch.float32
) -> Activations:
    """Statistics (N, S) and logits (N, species) of photos (N, side, side, 3) uint8.

    dtype: of the feature maps; statistics and logits of them are computed in float32.
    """
    network.eval()
    found = []
    with torch.no_grad():
        for start in range(0, len(photos), BATCH):
            batch = torch.from_numpy(photos[start : start + BATCH].copy())
            with torch.autocast("cpu", dtype, enabled=dtype != torch.float32):
                maps = network.maps(to_input(batch))
            maps = [x.float() for x in maps]
            logits = network.linear(maps[-1].mean(dim=(2, 3)))
            found.append((statistics(maps).numpy(), logits.numpy()))
    values, logits = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Activations(values, logits)


def fit_novelty(
    network: ResNet,
    photos: NDArray[np.uint8],
    labels: Labels,
    dtype: torch.dtype = torch.float32,
) -> tuple[Novelty, Logits]:
    """Fit the score of a network on `subsample` of its training photos.

    Args:
        network: changed to eval mode, float32, on the CPU.
        photos: (N, S, S, 3) uint8.
        labels: (N,), their species.
        dtype: of the feature maps. That of training takes two thirds of the time of float32, and
            the AUROC of the score stays the same to 0.0005.

    Returns:
        The score, and the logits (M, species) of the M photos that it was fitted on.
    """
    network, pixels = network.float().cpu(), np.ascontiguousarray(subsample(photos))
    own = statistics_of(network, pixels, dtype)
    corrupted = corrupt(subsample(pixels, OUTLIERS))
    return fit(own, subsample(labels), statistics_of(network, corrupted, dtype)), own.logits


def subsample(rows: NDArray[Any], count: int = SAMPLE) -> NDArray[Any]:
    """Evenly spaced rows, `count` or up to twice as many; all of fewer."""
    return rows[:: max(1, len(rows) // count)]
