"""Are the from-scratch layers as fast as torch's own?

    python -m benchmarks.training.layers

Forward plus backward of one layer, maps in channels_last, both sides in turns. The aim: at least
as fast in the geometric mean over the three shapes, nowhere below 0.85; `bin`, which torch does
not have, costs at most 1.3 times `bn`.
"""

import statistics
from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.timing import kernel_mode, kernel_modes, report, speed
from trainer.model.norms import NORMS
from trainer.utils.system import prepare
from trainer.utils.timing import interleaved

SHAPES = ((32, 16, 128, 128), (32, 32, 64, 64), (32, 64, 32, 32))
DTYPES = (torch.float32, torch.bfloat16)
BUILT_IN: dict[str, Callable[[int], nn.Module]] = {
    "bn": nn.BatchNorm2d,
    "in": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "ln": lambda channels: nn.GroupNorm(1, channels),
    "gn": lambda channels: nn.GroupNorm(4, channels),
}


def forward_backward(layer: nn.Module, x: Tensor, dy: Tensor) -> None:
    """One pass there and back, under autocast where the map is in bfloat16."""
    half = x.dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16) if half else nullcontext():
        y = layer(x)
    torch.autograd.grad(y, [x, *layer.parameters()], dy.to(y.dtype))


def time_shape(shape: tuple[int, ...], dtype: torch.dtype) -> list[dict[str, Any]]:
    """One row for each from-scratch layer, against its rival, on maps of one shape."""
    x = torch.randn(shape).to(dtype, memory_format=torch.channels_last).requires_grad_()
    dy = torch.randn(shape).to(dtype, memory_format=torch.channels_last)
    layers = {key: NORMS[key](shape[1]) for key in (*BUILT_IN, "bin")}
    layers |= {f"torch {key}": make(shape[1]) for key, make in BUILT_IN.items()}
    sides = {name: partial(forward_backward, layer, x, dy) for name, layer in layers.items()}
    seconds = interleaved(sides, repeats=15, calls=max(1, 2**25 // x.numel()))
    rivals = {key: f"torch {key}" for key in BUILT_IN} | {"bin": "bn"}
    return [
        {
            "layer": key,
            "against": rival,
            "dtype": str(dtype).removeprefix("torch."),
            "shape": "x".join(map(str, shape)),
            "ms": statistics.median(seconds[key]) * 1e3,
            "rival_ms": statistics.median(seconds[rival]) * 1e3,
            "speed": speed(seconds[key], seconds[rival]),
        }
        for key, rival in rivals.items()
    ]


def summary(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """One row for the three shapes of a layer: does the aim hold?"""
    speeds = [row["speed"] for row in rows]
    mean, worst = statistics.geometric_mean(speeds), min(speeds)
    holds = mean >= 1 / 1.3 if rows[0]["layer"] == "bin" else mean >= 1 and worst >= 0.85
    same = {key: rows[0][key] for key in ("kernels", "dtype", "layer", "against")}
    shapes = {row["shape"]: row["speed"] for row in rows}
    return same | shapes | {"mean": mean, "worst": worst, "holds": holds}


def main() -> None:
    """Time every layer in both data types and both ways to run the kernels."""
    prepare()
    torch.manual_seed(0)
    rows = []
    for mode in kernel_modes():
        for dtype in DTYPES:
            for shape in SHAPES:
                with kernel_mode(mode):
                    rows += [{"kernels": mode} | row for row in time_shape(shape, dtype)]
    groups: dict[tuple, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["kernels"], row["dtype"], row["layer"]), []).append(row)
    title = "One layer forward and backward: its speed over its rival's (above 1: ours is faster)"
    report("layers", title, [summary(group) for group in groups.values()], timings=rows)


if __name__ == "__main__":
    main()
