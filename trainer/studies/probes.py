"""Probes: measures of a network after each epoch, beside its scores on val."""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet, stratified_subset
from trainer.model.resnet import ResNet, to_input
from trainer.recipe import Recipe
from trainer.studies.study import Study

PROBE_PHOTOS = 8  # val photos of each species whose features are watched


@lru_cache
def load_cached(source: PhotoFolder, split: str, size: int, cache: Path) -> PhotoSet:
    """A split's photos, looked up once for all runs: thousands of files take seconds."""
    return source.load(split, size, cache)


def last_features(network: ResNet, photos: NDArray[np.uint8], device: str) -> NDArray[np.float32]:
    """The features that enter the last pooling in eval mode.

    photos: (N, S, S, 3) uint8 -> (N, C, S / 4, S / 4) float32. The network is left in train mode.
    """
    network.eval()
    with torch.inference_mode():
        features = network.features(to_input(torch.from_numpy(photos).to(device)))
    network.train()
    return features.float().cpu().numpy()


def probe_of(
    study: Study, val: PhotoSet, recipe: Recipe
) -> Callable[[ResNet], dict[str, float]] | None:
    """The study's probe, on the same photos of val whatever the seed."""
    if (measure := study.probe) is None:
        return None
    pixels = np.asarray(val.pixels[stratified_subset(val.labels, PROBE_PHOTOS)])
    return lambda network: measure(last_features(network, pixels, recipe.device))
