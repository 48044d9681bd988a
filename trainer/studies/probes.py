"""What a study measures of its networks after each epoch, beside their scores on val."""

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from trainer.data import PhotoFolder, PhotoSet, spread
from trainer.metrics import scores
from trainer.model.resnet import ResNet, to_input
from trainer.recipe import CHECKPOINTS, Recipe
from trainer.run_folder import TrainingError
from trainer.studies.definitions import Study
from trainer.training import predict

WATCHED = 8  # val photos of each species whose features are watched


@lru_cache
def loaded(source: PhotoFolder, split: str, size: int, cache: Path) -> PhotoSet:
    """A split's photos, looked up once for all runs: thousands of files take seconds."""
    return source.load(split, size, cache)


def watcher(
    study: Study, source: PhotoFolder, val: PhotoSet, recipe: Recipe
) -> Callable[[ResNet], dict[str, float]]:
    """What the study measures of a network, on the same photos of val whatever the seed.

    Raises: TrainingError where it asks for photos without relatives, and none are known.
    """
    pixels = np.asarray(val.pixels[spread(val.labels, WATCHED)])
    harder: dict[str, tuple[NDArray[np.uint8], NDArray[np.int64]]] = {}
    if study.harder:
        alone = without_relatives(source, val)
        harder["without_relatives"] = val.pixels[alone], val.labels[alone]
        harder["other_filter"] = shrunk_otherwise(source, recipe), val.labels

    def measure(network: ResNet) -> dict[str, float]:
        found = study.watch(last_features(network, pixels, recipe.device)) if study.watch else {}
        for name, (photos, labels) in harder.items():
            answers = predict(network, photos, recipe).argmax(1).numpy()
            found[f"accuracy_{name}"] = scores(labels, answers)["accuracy"]
        return found

    return measure


def last_features(network: ResNet, photos: NDArray[np.uint8], device: str) -> NDArray[np.float32]:
    """What enters the last pooling in eval mode.

    photos: (N, S, S, 3) uint8 -> (N, C, S / 4, S / 4) float32. The network is left in train mode.
    """
    network.eval()
    with torch.inference_mode():
        features = network.features(to_input(torch.from_numpy(photos).to(device)))
    network.train()
    return features.float().cpu().numpy()


def shrunk_otherwise(source: PhotoFolder, recipe: Recipe) -> NDArray[np.uint8]:
    """(photos of val, size, size, 3), with the filter of OpenCV's and others' default: bilinear,
    of which what is finer than a pixel leaves more."""
    large = loaded(source, "val", recipe.stored_size, Path(recipe.output) / "cache").pixels
    small = F.interpolate(
        torch.from_numpy(np.array(large)).permute(0, 3, 1, 2).float(),
        size=(recipe.image_size, recipe.image_size),
        mode="bilinear",
    )
    return small.round().byte().permute(0, 2, 3, 1).contiguous().numpy()


def without_relatives(source: PhotoFolder, val: PhotoSet) -> NDArray[np.bool_]:
    """(photos of val,) which have no relative in train, by leakage.json."""
    path = CHECKPOINTS / "results" / "leakage.json"
    if not path.exists():
        raise TrainingError(f"{path} is missing: `python -m trainer.evaluate.leakage` makes it.")
    known = set(json.loads(path.read_text())["without_relative"])
    files = [file.as_posix() for file in source.files["val"] if str(file) not in val.skipped]
    if not (alone := np.array([file in known for file in files])).any():
        raise TrainingError(
            f"{path} is of other photos than {source.root}: make it anew with "
            f"`python -m trainer.evaluate.leakage --data {source.root}`."
        )
    return alone
