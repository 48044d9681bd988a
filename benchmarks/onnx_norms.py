"""Time of the other norms' exported networks against bn's.

    python -m benchmarks.onnx_norms

One photo in onnxruntime, two threads, the networks in turns. The aim: at most 1.5 times the time
of `bn`, whose scale and shift onnxruntime folds into the convolutions before them.
"""

import statistics
import tempfile
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from benchmarks.timing import report, speed
from trainer.checkpoint.export.classifier_onnx import export
from trainer.checkpoint.novelty import fit_novelty
from trainer.metrics import session_options
from trainer.model.norms import NORMS
from trainer.model.resnet import ResNet
from trainer.utils.timing import interleaved

SIZES = (128, 256)
THREADS = 2
AIM = 1.5
SPECIES = tuple(f"species {i}" for i in range(25))


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """A session on two threads that do not keep a core busy while another's turn has come."""
    return onnxruntime.InferenceSession(path, session_options(THREADS))


def random_network(norm: str) -> ResNet:
    """The same random weights at every call."""
    torch.manual_seed(0)
    return ResNet(NORMS[norm], outputs=len(SPECIES))


def export_random(folder: Path, photos: np.ndarray, norm: str) -> None:
    """A norm's random network as <norm>.onnx in a folder, checked with photos, (N, S, S, 3)."""
    size, path = photos.shape[1], folder / f"{norm}.onnx"
    network = random_network(norm)
    noise = np.random.default_rng(0).integers(0, 256, (8, size, size, 3), dtype=np.uint8)
    novelty, _ = fit_novelty(network, noise, np.arange(8) % 2)
    export(network, novelty, path, norm=norm, image_size=size, species=SPECIES, photos=photos)


def for_every_norm(task: Callable[[str], None]) -> None:
    """Call a task with each norm's name, as many at once as there are cores."""
    with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
        list(pool.map(task, NORMS))


def draw(size: int) -> np.ndarray:
    """Two photos, (2, size, size, 3) uint8, of patches.

    On noise the maps are so even that scaling them magnifies rounding.
    """
    patches = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    return patches.repeat(size // 8, axis=1).repeat(size // 8, axis=2)


def time_size(size: int) -> list[dict[str, Any]]:
    """One row for each norm, for photos of one size."""
    photos = draw(size)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for_every_norm(partial(export_random, folder, photos))
        sides = {
            norm: partial(open_session(folder / f"{norm}.onnx").run, None, {"photos": photos[:1]})
            for norm in NORMS
        }
    seconds = interleaved(sides, repeats=11, calls=3)
    return [
        {
            "pixels": size,
            "norm": norm,
            "ms": statistics.median(times) * 1e3,
            "times bn": (ratio := speed(seconds["bn"], times)),
            "aim": AIM,
            "holds": ratio <= AIM,
        }
        for norm, times in seconds.items()
    ]


def main() -> None:
    """Export, check and time every norm's network at both sizes."""
    rows = [row for size in SIZES for row in time_size(size)]
    report("onnx_norms", f"One photo in onnxruntime {onnxruntime.__version__}", rows)


if __name__ == "__main__":
    main()
