"""Time of the gradient of a logit against that of the prediction in onnxruntime.

    python -m benchmarks.onnx_saliency

One photo of 128 pixels, two threads, model.onnx and saliency.onnx of every norm in turns. The aim:
in under 4 times the plain forward pass.
"""

import statistics
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import safetensors.torch

from benchmarks.onnx_norms import export_random, for_every_norm, open_session, random_network
from benchmarks.timing import report, speed
from plumage.contract import SALIENCY, WEIGHTS
from trainer.checkpoint.export.saliency_onnx import export_saliency
from trainer.model.norms import NORMS
from trainer.utils.timing import interleaved

SIZE = 128
AIM = 4


def export_both(folder: Path, photos: np.ndarray, norm: str) -> None:
    """A norm's random network, and its gradient in a folder of the norm's name."""
    export_random(folder, photos, norm)
    network, gradients = random_network(norm).eval(), folder / norm
    gradients.mkdir()
    safetensors.torch.save_file(network.state_dict(), gradients / WEIGHTS)
    export_saliency(network, gradients, photos)


def main() -> None:
    """Export and time every norm's network and its gradient."""
    photos = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    one, target = {"photos": photos[:1]}, {"target": np.zeros(1, np.int64)}
    sides = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for_every_norm(partial(export_both, folder, photos))
        for norm in NORMS:
            plain = open_session(folder / f"{norm}.onnx")
            drawn = open_session(folder / norm / SALIENCY)
            sides[f"{norm} answer"] = partial(plain.run, ["logits"], one)
            sides[f"{norm} gradient"] = partial(drawn.run, None, one | target)
    seconds = interleaved(sides, repeats=11, calls=3)
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
