"""How strange a photo is to a network: the score `novelty` of model.onnx.

A network that knows 25 species names one of them whatever it is shown. Two things give a stranger
away: no species gets a large share (Hendrycks and Gimpel 2017, arXiv:1610.02136), and the maps on
the way there are unlike those of every species. The latter is the relative Mahalanobis distance
(Ren et al. 2021, arXiv:2106.09022): the squared distance to the nearest species, less that to all
training photos taken together. It is taken of the mean and deviation of every channel of every
block, not of the last features alone, which have lost what does not tell the species apart. The
score is the sum of both parts, each over its spread on training photos.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import linalg
from sklearn.covariance import LedoitWolf
from torch import Tensor, nn

from trainer.evaluation import Labels, Logits
from trainer.resnet import ResNet, to_input

SAMPLE = 3000  # training photos, evenly spread, on which the score is fitted
ACCEPTED = 0.95  # share of val photos that the threshold lets pass
# In so many directions the two distances differ most; more make a checkpoint larger than 2 MB.
DIRECTIONS = 160

Statistics = NDArray[np.float32]


def statistics(maps: Sequence[Tensor]) -> Tensor:
    """Feature maps (N, C, H, W) -> mean and deviation of every channel, (N, 2 x channels)."""
    parts = []
    for x in maps:
        mean = x.mean(dim=(2, 3))
        # A product of its own: onnxruntime is slower with powers.
        square = (x * x).mean(dim=(2, 3))
        parts += [mean, (square - mean * mean).clamp_min(1e-8).sqrt()]
    return torch.cat(parts, dim=1)


class Novelty(nn.Module):
    """The score, from a photo's statistics and logits; `fit` finds its constants.

    Args:
        directions: (statistics, D), in which the spread within a species is 1.
        centres: (species, D), the species' means.
        background: (D,), one over the variance of all training photos.
        spreads: of the two parts on training photos.
    """

    mean: Tensor
    directions: Tensor
    centres: Tensor
    background: Tensor

    def __init__(
        self,
        mean: NDArray[np.float64],
        directions: NDArray[np.float64],
        centres: NDArray[np.float64],
        background: NDArray[np.float64],
        spreads: tuple[float, float] = (1.0, 1.0),
    ) -> None:
        super().__init__()
        constants = {
            "mean": mean, "directions": directions, "centres": centres, "background": background
        }  # fmt: skip
        for name, value in constants.items():
            self.register_buffer(name, torch.from_numpy(np.asarray(value, np.float32)))
        self.spreads = spreads

    def parts(self, statistics: Tensor, logits: Tensor) -> tuple[Tensor, Tensor]:
        """One less the largest probability, and the relative distance; (N,) each."""
        doubt = 1 - logits.softmax(dim=1).amax(dim=1)
        z = (statistics - self.mean) @ self.directions
        # |z - c|^2 of all species at once; |z|^2 is common to them.
        nearest = ((self.centres * self.centres).sum(dim=1) - 2 * z @ self.centres.T).amin(dim=1)
        return doubt, nearest + (z * z * (1 - self.background)).sum(dim=1)

    def forward(self, statistics: Tensor, logits: Tensor) -> Tensor:
        """statistics: (N, S), logits: (N, species) -> (N,), larger for stranger photos."""
        doubt, distance = self.parts(statistics, logits)
        return doubt / self.spreads[0] + distance / self.spreads[1]


def fit(values: Statistics, logits: Logits, labels: Labels) -> Novelty:
    """The score fitted on training photos: their statistics, logits and species."""
    mean = values.mean(axis=0, dtype=np.float64)
    # Over its spread each counts alike where covariances are shrunk towards even ones; a channel
    # that is dead in training must not drown the others once it fires.
    spread = values.std(axis=0, dtype=np.float64).clip(1e-3)
    x = (values - mean) / spread
    names, own = np.unique(labels, return_inverse=True)
    centres = np.stack([x[own == i].mean(axis=0) for i in range(len(names))])
    within = LedoitWolf().fit(x - centres[own]).covariance_
    overall = LedoitWolf().fit(x).covariance_
    ratios, vectors = linalg.eigh(overall, within)
    kept = np.argsort(-np.abs(ratios - 1))[:DIRECTIONS]
    centres = centres @ vectors[:, kept]
    novelty = Novelty(mean, vectors[:, kept] / spread[:, None], centres, 1 / ratios[kept])
    with torch.no_grad():
        parts = novelty.parts(torch.from_numpy(values), torch.from_numpy(logits))
    doubt, distance = (max(float(part.std()), 1e-6) for part in parts)
    novelty.spreads = doubt, distance
    return novelty


def statistics_of(
    network: ResNet, photos: NDArray[np.uint8], batch_size: int = 32
) -> tuple[Statistics, Logits]:
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
    return values, logits


def fit_novelty(network: ResNet, photos: NDArray[np.uint8], labels: Labels) -> Novelty:
    """The score for a network, fitted on evenly spread ones of its training photos.

    Args:
        network: changed to eval mode, float32, on the CPU.
        photos: (N, S, S, 3) uint8. labels: (N,), their species.
    """
    values, logits = statistics_of(network.float().cpu(), evenly(photos))
    return fit(values, logits, evenly(labels))


def evenly(rows: NDArray[Any]) -> NDArray[Any]:
    """About SAMPLE of the rows, evenly spread."""
    return rows[:: max(1, len(rows) // SAMPLE)]
