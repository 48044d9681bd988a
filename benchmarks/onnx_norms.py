"""How much slower than bn's are the other norms' exported networks?

    python -m benchmarks.onnx_norms

One photo in onnxruntime, two threads, the networks in turns. The aim: at most 1.5 times the time
of `bn`, whose scale and shift onnxruntime folds into the convolutions before them.
"""

import logging
import statistics
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch

from benchmarks.timing import report, speed
from trainer.export import export
from trainer.norms import NORMS
from trainer.resnet import ResNet
from trainer.timing import alternate

SIZES = (128, 256)
THREADS = 2
SPECIES = tuple(f"species {i}" for i in range(25))


def open_session(path: Path) -> onnxruntime.InferenceSession:
    """A session on two threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    return onnxruntime.InferenceSession(path, options)


def open_exported(norm: str, size: int, photos: np.ndarray) -> onnxruntime.InferenceSession:
    """A session on the exported network of a norm, with random weights."""
    torch.manual_seed(0)
    network = ResNet(NORMS[norm])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        export(network, path, norm=norm, image_size=size, species=SPECIES, photos=photos)
        return open_session(path)


def time_size(size: int) -> list[dict[str, Any]]:
    """One row for each norm, for photos of one size."""
    # Patches, as photos have: on noise the maps are so even that scaling them magnifies rounding.
    patches = np.random.default_rng(0).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    photos = patches.repeat(size // 8, axis=1).repeat(size // 8, axis=2)
    sides = {
        norm: partial(open_exported(norm, size, photos).run, None, {"photos": photos[:1]})
        for norm in NORMS
    }
    seconds = alternate(sides, repeats=21, calls=5)
    return [
        {
            "pixels": size,
            "norm": norm,
            "ms": statistics.median(times) * 1e3,
            "times bn": (ratio := speed(seconds["bn"], times)),
            "holds": ratio <= 1.5,
        }
        for norm, times in seconds.items()
    ]


def main() -> None:
    """Export, check and time every norm's network at both sizes."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    rows = [row for size in SIZES for row in time_size(size)]
    report("onnx_norms", f"One photo in onnxruntime {onnxruntime.__version__}", rows)


if __name__ == "__main__":
    main()
