"""One differentiable function behind all normalisation layers.

A layer is written as `Terms`: a fixed scale and shift, and weighted deviations from means, each
taken over what an average says. `normalize` applies them to a map. Autograd sees one operation:
two passes over the map forward, two backward (`trainer.kernels`), and in between arithmetic on
small tables (N, C), one number for each channel of each photo.
"""

import functools
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from trainer import kernels

EPS = 1e-5

# Tables (..., N, C) -> their means over whatever is normalised together, (..., N or 1, C).
Average = Callable[[Tensor], Tensor]


class Terms(NamedTuple):
    """y = scale * x + shift + the sum over averages of weight * (x - mean) / sqrt(var + EPS).

    Attributes:
        scale: (C,), or None for zero.
        shift: (C,).
        averages: what each mean and variance is taken over.
        weights: (C,) for each average.
    """

    scale: Tensor | None
    shift: Tensor
    averages: tuple[Average, ...] = ()
    weights: tuple[Tensor, ...] = ()


class Moments(NamedTuple):
    """What one average found, tables (N, C) or (1, C)."""

    mean: Tensor
    var: Tensor
    rstd: Tensor


def resolve(terms: Terms, x: Tensor) -> tuple[Tensor, Tensor, list[Moments]]:
    """Turn terms into y = a * x + b for a map, which is read only where an average asks for it.

    Variances pool by the law of total variance, so nothing is lost to cancellation: that of the
    union is the mean of the variances plus the variance of the means.

    Returns:
        a, b: tables (N, C) or (1, C).
        moments: of each average in turn.
    """
    scales = [] if terms.scale is None else [terms.scale[None]]
    shift = terms.shift[None]
    found: list[Moments] = []
    if terms.averages:
        mean, var = kernels.moments(x)
    for average, weight in zip(terms.averages, terms.weights, strict=True):
        pooled_mean = average(mean)
        offset = mean - pooled_mean
        pooled_var = average(torch.addcmul(var, offset, offset))
        rstd = torch.rsqrt(pooled_var + EPS)
        scales.append(weight * rstd)
        shift = torch.addcmul(shift, pooled_mean, scales[-1], value=-1)
        found.append(Moments(pooled_mean, pooled_var, rstd))
    return total(scales), shift, found


def total(tables: list[Tensor]) -> Tensor:
    """The sum of tables, each (N, C) or (1, C)."""
    return functools.reduce(torch.add, tables)


def normalize(x: Tensor, terms: Terms) -> tuple[Tensor, list[Moments]]:
    """Apply terms to a map.

    Returns:
        y: (N, C, H, W), in the data type and memory layout of x.
        moments: of each average in turn.
    """
    if not kernels.recorded():
        y, *found = Normalize.apply(x, terms.averages, terms.scale, terms.shift, *terms.weights)
        return y, [Moments(*found[i : i + 3]) for i in range(0, len(found), 3)]
    a, b, moments = resolve(terms, x)
    return kernels.scale_shift(x, a, b), moments


class Normalize(torch.autograd.Function):
    """`normalize` in two passes over the map forward and two backward.

    What lies between the passes is arithmetic on small tables.
    """

    @staticmethod
    def forward(
        ctx, x: Tensor, averages: tuple[Average, ...], scale, shift: Tensor, *weights: Tensor
    ):
        """Return the map and, not differentiable, the three tables of each average in turn."""
        x = x.contiguous(memory_format=kernels.layout(x))
        a, b, moments = resolve(Terms(scale, shift, averages, weights), x)
        dtype = kernels.table_dtype(x)
        found = [table for three in moments for table in three]
        needed = [table for three in moments for table in (three.mean, three.rstd)]
        ctx.averages, ctx.scaled = averages, scale is not None
        ctx.save_for_backward(x, *([scale] if ctx.scaled else []), *weights, *needed)
        ctx.mark_non_differentiable(*found)
        return kernels.scale_shift(x, a.to(dtype), b.to(dtype)), *found

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor, *_):
        """Return the gradients of the map, scale, shift and weights.

        With g = weight * dy and z = (x - mean) * rstd, an average adds to the map's gradient
        (g - average(g) - z * average(g * z)) * rstd and gives its weight the sum of dy * z.
        """
        x, *tables = ctx.saved_tensors
        dy = dy.contiguous(memory_format=kernels.layout(x))
        if not ctx.averages:
            (scale,) = tables
            zero = x.new_zeros((1, x.shape[1]), dtype=kernels.table_dtype(x))
            dshift, dscale = kernels.gradient_sums(dy, x, zero).sum(1)
            dx = kernels.scale_shift(dy, scale.to(zero.dtype)[None], zero)
            return dx, None, dscale, dshift
        by_dy = [tables.pop(0)[None]] if ctx.scaled else []
        parts, pixels = len(ctx.averages), x.shape[2] * x.shape[3]
        weights, found = tables[:parts], tables[parts:]
        centre = found[0]
        sums = kernels.gradient_sums(dy, x, centre)
        sum_dy, sum_dy_x = sums
        by_x, shift, dweights = [], [], []
        for k, (average, weight) in enumerate(zip(ctx.averages, weights, strict=True)):
            mean, rstd = found[2 * k : 2 * k + 2]
            if k:
                sums = torch.stack((sum_dy, sum_dy_x + (centre - mean) * sum_dy))
            minus_g, minus_gx = average(weight * sums) * (rstd * (-1 / pixels))
            by_dy.append(weight * rstd)
            by_x.append(minus_gx * rstd * rstd)
            shift.append(torch.addcmul(minus_g, mean, by_x[-1], value=-1))
            dweights.append((rstd * sums[1]).sum(0))
        dx = kernels.combine(dy, x, total(by_dy), total(by_x), total(shift))
        dscale = (sum_dy_x + centre * sum_dy).sum(0) if ctx.scaled else None
        return dx, None, dscale, sum_dy.sum(0), *dweights
