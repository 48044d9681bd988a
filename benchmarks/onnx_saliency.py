"""How much longer than an answer does the gradient of its logit take in onnxruntime?

    python -m benchmarks.onnx_saliency

One photo of 128 pixels, two threads, model.onnx and saliency.onnx of every norm in turns. The aim:
in under 4 times the plain forward pass.
"""

import logging
import statistics
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import safetensors.torch
import torch

from benchmarks.onnx_norms import SPECIES, open_exported, open_session
from benchmarks.timing import report, speed
from trainer.gradient import SALIENCY, WEIGHTS, export_saliency
from trainer.norms import NORMS
from trainer.resnet import ResNet
from trainer.timing import alternate

SIZE = 128


def open_saliency(norm: str, photos: np.ndarray) -> onnxruntime.InferenceSession:
    """A session on the exported gradient of a norm's network, with random weights."""
    torch.manual_seed(0)
    network = ResNet(NORMS[norm], outputs=len(SPECIES)).eval()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        safetensors.torch.save_file(network.state_dict(), folder / WEIGHTS)
        export_saliency(network, folder, photos)
        return open_session(folder / SALIENCY)


def main() -> None:
    """Export and time every norm's network and its gradient."""
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    photos = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    one = {"photos": photos[:1]}
    target = {"target": np.zeros(1, np.int64)}
    sides = {}
    for norm in NORMS:
        session = open_exported(norm, SIZE, photos)
        sides[f"{norm} answer"] = partial(session.run, ["logits"], one)
        sides[f"{norm} gradient"] = partial(open_saliency(norm, photos).run, None, one | target)
    seconds = alternate(sides, repeats=21, calls=5)
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
                "holds": ratio < 4,
            }
        )
    report("onnx_saliency", f"A gradient in onnxruntime {onnxruntime.__version__}", rows)


if __name__ == "__main__":
    main()
