"""How much longer than an answer does the gradient of its logit take in onnxruntime?

    python -m benchmarks.onnx_saliency

One photo of 128 pixels, two threads, model.onnx and saliency.onnx of every norm in turns. The aim:
in under 4 times the plain forward pass.
"""

import logging
import statistics
import tempfile
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import onnxruntime
import safetensors.torch
import torch

from benchmarks.onnx_norms import SPECIES, open_session
from benchmarks.timing import report, speed
from trainer.export import export
from trainer.gradient import SALIENCY, WEIGHTS, export_saliency
from trainer.norms import NORMS
from trainer.resnet import ResNet
from trainer.timing import alternate

SIZE = 128
AIM = 4


def noise(count: int) -> np.ndarray:
    """Photos, (count, SIZE, SIZE, 3) uint8."""
    return np.random.default_rng(0).integers(0, 256, (count, SIZE, SIZE, 3), dtype=np.uint8)


def export_both(folder: Path, norm: str) -> None:
    """A norm's network with random weights and its gradient, in a folder of the norm's name."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    torch.manual_seed(0)
    network, photos = ResNet(NORMS[norm], outputs=len(SPECIES)).eval(), noise(3)
    path = folder / norm
    path.mkdir()
    export(network, path / "model.onnx", norm=norm, image_size=SIZE, species=SPECIES, photos=photos)
    safetensors.torch.save_file(network.state_dict(), path / WEIGHTS)
    export_saliency(network, path, photos)


def main() -> None:
    """Export and time every norm's network and its gradient."""
    one, target = {"photos": noise(1)}, {"target": np.zeros(1, np.int64)}
    sides = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with ProcessPoolExecutor(mp_context=get_context("spawn")) as pool:
            list(pool.map(partial(export_both, folder), NORMS))
        for norm in NORMS:
            plain = open_session(folder / norm / "model.onnx")
            drawn = open_session(folder / norm / SALIENCY)
            sides[f"{norm} answer"] = partial(plain.run, ["logits"], one)
            sides[f"{norm} gradient"] = partial(drawn.run, None, one | target)
    seconds = alternate(sides, repeats=11, calls=3)
    rows = []
    for norm in NORMS:
        answer, gradient = seconds[f"{norm} answer"], seconds[f"{norm} gradient"]
        rows.append(
            {
                "pixels": SIZE,
                "norm": norm,
                "answer, ms": statistics.median(answer) * 1e3,
                "gradient, ms": statistics.median(gradient) * 1e3,
                "times answer": (ratio := speed(answer, gradient)),
                "aim": AIM,
                "holds": ratio < AIM,
            }
        )
    report("onnx_saliency", f"A gradient in onnxruntime {onnxruntime.__version__}", rows)


if __name__ == "__main__":
    main()
