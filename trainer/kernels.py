"""The four passes over a feature map that every normalisation layer is made of.

A map is seen in three dimensions, as its memory lies: (N, HW, C) when channels come last,
(N, C, HW) otherwise; `pixels` is the dimension that HW is. A table is (N, 1, C) or (N, C, 1): one
number for each channel of each photo. Tables are float32, or float64 for float64 maps.

Where torch.compile has a compiler, each pass becomes one loop over memory; without one the same
functions run as plain torch.
"""

import functools
import warnings
from collections.abc import Callable

import torch
from torch import Tensor


def table_dtype(x: Tensor) -> torch.dtype:
    """float32 for half-precision maps: statistics are never accumulated in fewer bits."""
    return torch.promote_types(x.dtype, torch.float32)


def moments(x: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel of each photo, in a single pass.

    The first pixel is subtracted from all of them before squares are taken, so that a large mean
    does not drown a small deviation.
    """
    pilot = x.narrow(pixels, 0, 1).to(table_dtype(x))
    centred = x.to(table_dtype(x)) - pilot
    mean = centred.mean(pixels, keepdim=True)
    square = (centred * centred).mean(pixels, keepdim=True)
    return mean + pilot, (square - mean * mean).clamp_min(0)


def scale_shift(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Scale * x + shift, in x's own data type."""
    return (x.to(scale.dtype) * scale + shift).to(x.dtype)


def gradient_sums(dy: Tensor, x: Tensor, mean: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
    """Sums of dy and of dy * (x - mean) over the pixels."""
    dy, x = dy.to(mean.dtype), x.to(mean.dtype)
    return dy.sum(pixels, keepdim=True), (dy * (x - mean)).sum(pixels, keepdim=True)


def combine(dy: Tensor, x: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The gradient of the map: a * dy + b * x + c, in x's own data type."""
    return (a * dy.to(a.dtype) + b * x.to(a.dtype) + c).to(x.dtype)


@functools.cache
def _compiled(kernel: Callable) -> Callable:
    return torch.compile(kernel, dynamic=True)


_compiler_works = True


def run(kernel: Callable, *args):
    """Call a kernel, compiled if that is possible here; the first failure settles it for good."""
    global _compiler_works
    if _compiler_works:
        try:
            return _compiled(kernel)(*args)
        except torch._dynamo.exc.TorchDynamoException as error:
            _compiler_works = False
            reason = str(error).strip().splitlines()[0]
            warnings.warn(f"norms run uncompiled: {reason}", stacklevel=2)
    return kernel(*args)
