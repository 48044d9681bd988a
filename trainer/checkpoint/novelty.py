"""How strange a photo is to a network: the score `novelty` of model.onnx.

A network that knows 25 species names one of them whatever it is shown. Three things give a stranger
away: no species gets a large share (Hendrycks and Gimpel 2017, arXiv:1610.02136), and the maps on
the way there are unlike those of every species, and like those of photos that were spoilt on
purpose. The second is the relative Mahalanobis distance
(Ren et al. 2021, arXiv:2106.09022): the squared distance to the nearest species, less that to all
training photos taken together. It is taken of the mean, deviation and roughness of the channels of
every block, not of the last features alone, which have lost what does not tell the species apart.
For the third, logistic regression tells training photos from such that are of wrong colours or
none, turned, swirled, blurred or put together from several, by these numbers and the sorted logits;
no stranger is shown to it (outlier exposure, Hendrycks et al. 2019, arXiv:1812.04606, with outliers
of its own making). The score is the sum of the parts, each over its spread on training photos, by
weights.
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

SAMPLE = 3000  # training photos, evenly spread, on which the score is fitted
ACCEPTED = 0.95  # share of val photos that the threshold lets pass
# Number of generalised eigenvectors kept; with them a checkpoint is below 2 MB.
DIRECTIONS = 280
# Of doubt, distance and regression: the first says least that the last does not.
WEIGHTS = 1, 2, 4

REGULARISATION = 0.001  # C of the logistic regression
FARTHEST = 8.0  # in spreads, what one number may say there

Statistics = NDArray[np.float32]
Pixels = NDArray[np.uint8]


class Observed(NamedTuple):
    """What a network makes of N photos: statistics (N, S) and logits (N, species)."""

    statistics: Statistics
    logits: Logits


def statistics(maps: Sequence[Tensor]) -> Tensor:
    """What is taken of feature maps (N, C, H, W): a row a photo.

    Of each map the mean and deviation of every channel, and before these the roughness of those of
    maps that are smaller than the first: in the larger ones it tells little more and costs most.
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
    """By how much neighbours in a map (N, C, H, W) differ, on average: (N, C)."""
    down, across = x[:, :, 1:] - x[:, :, :-1], x[..., 1:] - x[..., :-1]
    return down.abs().mean(dim=(2, 3)) + across.abs().mean(dim=(2, 3))


def evidence(statistics: Tensor, logits: Tensor) -> Tensor:
    """What the regression goes by: the statistics and the logits, largest first, (N, both)."""
    return torch.cat([statistics, logits.sort(dim=1, descending=True).values], dim=1)


class Novelty(nn.Module):
    """The score, from a photo's statistics and logits; `fit` finds its constants.

    Args:
        constants: mean, spread, weights: (statistics + species,), of the regression's evidence.
            directions: (statistics, D), in which the spread within a species is 1.
            centres: (species, D), the species' means.
            background: (D,), one over the variance of all training photos.
        spreads: of the three parts on training photos, each over its weight.
    """

    mean: Tensor
    spread: Tensor
    weights: Tensor
    directions: Tensor
    centres: Tensor
    background: Tensor

    def __init__(
        self,
        constants: dict[str, NDArray[np.float64]],
        spreads: tuple[float, float, float] = (1.0, 1.0, 1.0),
    ) -> None:
        super().__init__()
        for name, value in constants.items():
            # The directions are most of what the score adds to a file.
            kind = np.float16 if name == "directions" else np.float32
            self.register_buffer(name, torch.from_numpy(np.asarray(value, kind)))
        self.spreads = spreads

    def parts(self, statistics: Tensor, logits: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """One less the largest probability, the relative distance, and the log odds of a spoilt
        photo, up to a constant; (N,) each."""
        doubt = 1 - logits.softmax(dim=1).amax(dim=1)
        x = (evidence(statistics, logits) - self.mean) / self.spread
        z = x[:, : statistics.shape[1]] @ self.directions.float()
        # |z - c|^2 of all species at once; |z|^2 is common to them.
        nearest = ((self.centres * self.centres).sum(dim=1) - 2 * z @ self.centres.T).amin(dim=1)
        distance = nearest + (z * z * (1 - self.background)).sum(dim=1)
        return doubt, distance, x.clamp(-FARTHEST, FARTHEST) @ self.weights

    def forward(self, statistics: Tensor, logits: Tensor) -> Tensor:
        """statistics: (N, S), logits: (N, species) -> (N,), larger for stranger photos."""
        parts = self.parts(statistics, logits)
        doubt, distance, spoilt = (
            part / spread for part, spread in zip(parts, self.spreads, strict=True)
        )
        return doubt + distance + spoilt


def fit(own: Observed, labels: Labels, spoilt: Observed) -> Novelty:
    """The score fitted on training photos, their species, and photos that were spoilt."""
    numbers = [evidence(*map(torch.from_numpy, seen)).numpy() for seen in (own, spoilt)]
    mean = numbers[0].mean(axis=0, dtype=np.float64)
    # Over its spread each counts alike where covariances are shrunk towards even ones; a channel
    # that is dead in training must not drown the others once it fires.
    spread = numbers[0].std(axis=0, dtype=np.float64).clip(1e-3)
    all_own, all_spoilt = ((x - mean) / spread for x in numbers)
    x = all_own[:, : own.statistics.shape[1]]
    names, indices = np.unique(labels, return_inverse=True)
    centres = np.stack([x[indices == i].mean(axis=0) for i in range(len(names))])
    within = LedoitWolf().fit(x - centres[indices]).covariance_
    ratios, vectors = linalg.eigh(LedoitWolf().fit(x).covariance_, within)
    kept = np.argsort(-np.abs(ratios - 1))[:DIRECTIONS]
    novelty = Novelty(
        {
            "mean": mean,
            "spread": spread,
            "weights": told_apart(all_own, all_spoilt),
            "directions": vectors[:, kept],
            "centres": centres @ vectors[:, kept],
            "background": 1 / ratios[kept],
        }
    )
    with torch.no_grad():
        parts = novelty.parts(*map(torch.from_numpy, own))
    doubt, distance, odds = (
        max(float(part.std()), 1e-6) / weight for part, weight in zip(parts, WEIGHTS, strict=True)
    )
    novelty.spreads = doubt, distance, odds
    return novelty


def told_apart(own: NDArray[np.float64], spoilt: NDArray[np.float64]) -> NDArray[np.float64]:
    """(numbers,): how much each number of (photos, numbers) speaks for a spoilt photo."""
    numbers = np.concatenate([own, spoilt]).clip(-FARTHEST, FARTHEST)
    regression = LogisticRegression(C=REGULARISATION, class_weight="balanced", max_iter=1000)
    return regression.fit(numbers, np.arange(len(numbers)) >= len(own)).coef_[0]


def spoil(photos: Pixels) -> Pixels:
    """Photos (N, S, S, 3) of birds -> as many, each corrupted in one of eight ways."""
    made = photos.copy()
    made[0::8] = 255 - photos[0::8]
    made[1::8] = photos[1::8][..., [1, 2, 0]]
    made[2::8] = photos[2::8].mean(axis=3, keepdims=True)
    made[3::8] = np.rot90(photos[3::8], axes=(1, 2))
    made[4::8] = swirled(photos[4::8])
    made[5::8] = patched(photos[5::8], 2)
    made[6::8] = patched(photos[6::8], 3)
    # Without these, a sharp edge alone would be strange, and what is blurred never.
    made[7::8] = blurred(photos[7::8])
    return made


def swirled(photos: Pixels) -> Pixels:
    """Photos (N, S, S, 3), their middle turned by half a circle and the rest by ever less."""
    side = photos.shape[1]
    down, across = np.indices((side, side)) - side / 2
    far = np.hypot(down, across)
    angle = np.arctan2(down, across) + np.pi * np.exp(-far / (0.3 * side))
    places = far * np.stack([np.sin(angle), np.cos(angle)]) + side / 2
    rows, columns = places.round().astype(int).clip(0, side - 1)
    return photos[:, rows, columns]


def blurred(photos: Pixels) -> Pixels:
    """Photos (N, S, S, 3), shrunk to a seventh of their side and enlarged again."""
    side = photos.shape[1]
    images = map(Image.fromarray, photos)
    small = (image.resize((max(1, side // 7),) * 2, Image.Resampling.BICUBIC) for image in images)
    made = [image.resize((side, side), Image.Resampling.BICUBIC) for image in small]
    return np.array(made, np.uint8).reshape(photos.shape)


def patched(photos: Pixels, cells: int) -> Pixels:
    """As many photos (N, S, S, 3), of cells x cells pieces, each of another photo."""
    rng, made = np.random.default_rng(0), photos.copy()
    edges = np.linspace(0, photos.shape[1], cells + 1).astype(int)
    for top, bottom in itertools.pairwise(edges):
        for left, right in itertools.pairwise(edges):
            others = rng.permutation(len(photos))
            made[:, top:bottom, left:right] = photos[others, top:bottom, left:right]
    return made


def statistics_of(network: ResNet, photos: NDArray[np.uint8], batch_size: int = 32) -> Observed:
    """Statistics (N, S) and logits (N, species) of photos (N, side, side, 3) uint8."""
    network.eval()
    found = []
    with torch.no_grad():
        for start in range(0, len(photos), batch_size):
            batch = torch.from_numpy(photos[start : start + batch_size].copy())
            maps = network.maps(to_input(batch))
            logits = network.linear(maps[-1].mean(dim=(2, 3)))
            found.append((statistics(maps).numpy(), logits.numpy()))
    values, logits = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return Observed(values, logits)


def fit_novelty(network: ResNet, photos: NDArray[np.uint8], labels: Labels) -> Novelty:
    """The score for a network, fitted on evenly spread ones of its training photos.

    Args:
        network: changed to eval mode, float32, on the CPU.
        photos: (N, S, S, 3) uint8. labels: (N,), their species.
    """
    network, own = network.float().cpu(), np.ascontiguousarray(evenly(photos))
    spoilt = statistics_of(network, spoil(own))
    return fit(statistics_of(network, own), evenly(labels), spoilt)


def evenly(rows: NDArray[Any]) -> NDArray[Any]:
    """About SAMPLE of the rows, evenly spread."""
    return rows[:: max(1, len(rows) // SAMPLE)]
