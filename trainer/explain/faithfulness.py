"""Measures of a heatmap's faithfulness, one value a photo."""

import copy
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from pytorch_grad_cam.metrics.road import ROADCombined
from pytorch_grad_cam.utils.model_targets import ClassifierOutputSoftmaxTarget
from scipy import ndimage, special, stats

from trainer.model.resnet import PIXEL_MEAN, ResNet, to_input

STEPS = 5  # in which a photo is erased
PERCENTILES = [70, 90]  # at which ROAD erases: 30% and 10% of the pixels
FRAME = 0.1  # of the side
EVEN = 1 - (1 - 2 * FRAME) ** 2  # share of the frame in a map that is the same everywhere
RESAMPLES = 1000

Values = NDArray[np.floating]
Photos = NDArray[np.uint8]


def hottest_first(maps: Values) -> Values:
    """The rank of every pixel in its map, 0 to 1, the hottest first: (N, S, S)."""
    flat = maps.reshape(len(maps), -1)
    ranks = (-flat).argsort(axis=1, kind="stable").argsort(axis=1)
    return (ranks / flat.shape[1]).reshape(maps.shape)


class Erasing:
    """The area under a species' probability while its photo is erased or restored.

    Args:
        session: on a model.onnx.
        photos: (N, S, S, 3) uint8.
        species: (N,) whose probability it is.
    """

    def __init__(
        self, session: onnxruntime.InferenceSession, photos: Photos, species: NDArray[np.int64]
    ) -> None:
        side = photos.shape[1]
        self.session, self.photos, self.species = session, photos, species
        self.grey = np.broadcast_to(np.rint(PIXEL_MEAN).astype(np.uint8), photos.shape)
        self.blurred = ndimage.gaussian_filter(photos, (0, side / 12, side / 12, 0))
        # The ends of the curves, whatever the map.
        self.of_photos = self.probabilities(photos)
        self.of_grey = self.probabilities(self.grey)
        self.of_blurred = self.probabilities(self.blurred)

    def probabilities(self, photos: Photos) -> Values:
        """Of each photo's species, (N,)."""
        (logits,) = self.session.run(["logits"], {"photos": photos})
        return special.softmax(logits, axis=1)[np.arange(len(self.species)), self.species]

    def deletion(self, maps: Values) -> Values:
        """While the hottest pixels turn grey: (N,), low is good. (Petsiuk et al. 2018)"""
        return self._area(self.photos, self.grey, maps, self.of_photos, self.of_grey)

    def insertion(self, maps: Values) -> Values:
        """While they come back into the blurred photo: (N,), high is good."""
        return self._area(self.blurred, self.photos, maps, self.of_blurred, self.of_photos)

    def _area(
        self, before: Photos, after: Photos, maps: Values, first: Values, last: Values
    ) -> Values:
        ranks = hottest_first(maps)[..., None]
        between = [
            self.probabilities(np.where(ranks < share, after, before))
            for share in np.arange(1, STEPS) / STEPS
        ]
        return np.trapezoid([first, *between, last], dx=1 / STEPS, axis=0)


def road(network: ResNet, photos: Photos, maps: Values, species: NDArray[np.int64]) -> Values:
    """Probability lost with the hottest pixels less that lost with the coldest, halved: (N,).

    Pixels are replaced by what their neighbours suggest. (Rong et al. 2022)
    """
    torch.manual_seed(0)  # of the noise that it adds
    x = to_input(torch.from_numpy(np.ascontiguousarray(photos))).contiguous()
    targets: list[Any] = [ClassifierOutputSoftmaxTarget(int(s)) for s in species]
    return ROADCombined(percentiles=PERCENTILES)(x, np.asarray(maps, np.float32), targets, network)


def randomised(network: ResNet) -> ResNet:
    """A copy of the network with the numbers of every weight in random order.

    A map that stays the same explains nothing about the network. (Adebayo et al. 2018)
    """
    other, generator = copy.deepcopy(network), torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in other.parameters():
            order = torch.randperm(weight.numel(), generator=generator)
            weight.copy_(weight.flatten()[order].reshape(weight.shape))
    return other


def rank_correlation(maps: Values, others: Values) -> Values:
    """Spearman's rank correlation of each two maps, (N,); 0 where one of them is even."""
    ranked = [stats.rankdata(m.reshape(len(m), -1), axis=1) for m in (maps, others)]
    a, b = (ranks - ranks.mean(axis=1, keepdims=True) for ranks in ranked)
    scale = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.divide((a * b).sum(axis=1), scale, out=np.zeros(len(a)), where=scale > 0)


def outer_share(maps: Values) -> Values:
    """The share of each map in the outer tenth of the side, all around: (N,).

    maps: (N, h, w), not negative; a uniform map has EVEN of it there, and so has an empty one.
    """

    def inside(cells: int) -> Values:
        edges = np.linspace(0, 1, cells + 1)
        return np.diff(edges.clip(FRAME, 1 - FRAME)) * cells

    inner = np.outer(inside(maps.shape[1]), inside(maps.shape[2]))
    whole = maps.sum(axis=(1, 2))
    kept = np.divide(
        (maps * inner).sum(axis=(1, 2)), whole, out=np.full(len(maps), 1 - EVEN), where=whole > 0
    )
    return 1 - kept


def mean(values: Values) -> dict[str, float]:
    """The mean as {value, low, high}, with its 95% bootstrap interval over photos."""
    return _interval((values,), lambda a, axis: a.mean(axis=axis))


def mean_difference(values: Values, others: Values) -> dict[str, float]:
    """The difference of the means of two samples, likewise."""
    return _interval((values, others), lambda a, b, axis: a.mean(axis=axis) - b.mean(axis=axis))


def _interval(samples: tuple[Values, ...], statistic) -> dict[str, float]:
    value = float(statistic(*samples, axis=-1))
    found = stats.bootstrap(
        samples, statistic, n_resamples=RESAMPLES, batch=100, method="percentile", rng=0
    ).confidence_interval
    return {"value": value, "low": float(found.low), "high": float(found.high)}
