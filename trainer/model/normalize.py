"""One differentiable function behind all normalisation layers.

A layer is a `NormSpec`: a fixed scale and shift, and weighted deviations from means, each pooled
over `PoolAxes`. `normalize` applies it to a map (N, C, H, W). Autograd sees one operation: two
passes over the map forward, two backward. Arithmetic between them is on small tables (N, C), one
number for each channel of each photo, or (1, C) where all photos share them.
`trainer.model.kernels` does the same compiled. Where ranks share a batch
(`trainer.utils.distributed`), means over all photos are over those of all ranks.
"""

import functools
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from trainer.model import kernels
from trainer.utils import distributed

EPS = 1e-5


class PoolAxes(NamedTuple):
    """The axes that statistics are pooled over, besides a channel's pixels.

    Attributes:
        all_photos: whether over the photos of the batch.
        channels: number of consecutive channels; divides their count.
    """

    all_photos: bool = False
    channels: int = 1

    def __call__(self, table: Tensor) -> Tensor:
        """Average tables (..., N, C) -> (..., N or 1, C)."""
        if self.all_photos:
            table = table.mean(-2, keepdim=True)
        if self.channels > 1:
            groups = table.unflatten(-1, (-1, self.channels))
            table = groups.mean(-1, keepdim=True).expand_as(groups).flatten(-2)
        return table


class NormSpec(NamedTuple):
    """y = scale * x + shift + the sum over averages of weight * (x - mean) / sqrt(var + EPS).

    Attributes:
        scale: (C,), or None for zero.
        shift: (C,).
        averages: axes of each mean and variance.
        weights: (C,) for each average.
    """

    scale: Tensor | None
    shift: Tensor
    averages: tuple[PoolAxes, ...] = ()
    weights: tuple[Tensor, ...] = ()


def normalize(
    x: Tensor, spec: NormSpec, residual: Tensor | None = None, relu: bool = False
) -> tuple[Tensor, list[Tensor], int | Tensor]:
    """Apply a spec to a map, then add a residual and clip at zero, all in the same passes.

    Args:
        x: (N, C, H, W).
        spec: the layer.
        residual: as x; added before the ReLU, without which there can be none.
        relu: whether to return relu(y + residual).

    Returns:
        y: (N, C, H, W), in the data type and memory layout of x.
        moments: (2, N or 1, C), mean and biased variance, of each average in turn.
        photos: how many an average over all photos is over: N, or () for those of all processes.

    Raises:
        ValueError: the residual has another shape than the map, or no ReLU after it.
    """
    if residual is not None and (residual.shape != x.shape or not relu):
        raise ValueError(f"a residual wants the map's shape and a ReLU, got {residual.shape}")
    if kernels.recorded():
        return *plain(x, spec, None, residual, relu), x.shape[0]
    y, photos, *moments = Normalize.apply(
        x, residual, relu, spec.averages, spec.scale, spec.shift, *spec.weights
    )
    return y, moments, photos


def plain(
    x: Tensor,
    spec: NormSpec,
    exchange: kernels.Exchange | None = None,
    residual: Tensor | None = None,
    relu: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """`normalize` in operations of torch that can be recorded.

    Variances pool by the law of total variance, so nothing is lost to cancellation: that of the
    union is the mean of the variances plus the variance of the means.
    """
    scales = [] if spec.scale is None else [spec.scale[None]]
    shift = spec.shift[None]
    found = []
    if spec.averages:
        mean, var = photo_moments(x)
    for average, weight in zip(spec.averages, spec.weights, strict=True):
        pooled_mean = average(mean)
        offset = mean - pooled_mean
        pooled_var = average(torch.addcmul(var, offset, offset))
        if average.all_photos and exchange:
            pooled_mean, pooled_var = exchange(torch.stack((pooled_mean, pooled_var)))
        scales.append(weight * torch.rsqrt(pooled_var + EPS))
        shift = torch.addcmul(shift, pooled_mean, scales[-1], value=-1)
        found.append(torch.stack((pooled_mean, pooled_var)))
    scale, dtype = total(scales), kernels.table_dtype(x)
    y = torch.addcmul(wide(shift).to(dtype), x, wide(scale).to(dtype))
    if residual is not None:
        y = y + residual
    return (F.relu(y) if relu else y).to(x.dtype), found


def photo_moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel of each photo, tables (N, C).

    The mean of a photo's first pixels is subtracted from all of them before squares are taken, so
    that a large mean does not drown a small deviation.
    """
    pilot = x[:, :, :1].mean((2, 3), dtype=kernels.table_dtype(x), keepdim=True)
    centred = x - pilot
    offset = centred.mean((2, 3))
    # Exported, the product is faster in onnxruntime than a square.
    var = (centred * centred).mean((2, 3)) - offset * offset
    return pilot.flatten(1) + offset, var.clamp_min(0)


def total(tables: list[Tensor]) -> Tensor:
    """The sum of tables, each (N, C) or (1, C)."""
    return functools.reduce(torch.add, tables)


def wide(table: Tensor) -> Tensor:
    """See a table (N, C) as (N, C, 1, 1)."""
    return table[..., None, None]


class Normalize(torch.autograd.Function):
    """`normalize` as one operation, compiled where it can be."""

    @staticmethod
    def forward(
        ctx,
        x: Tensor,
        residual: Tensor | None,
        relu: bool,
        averages: tuple[PoolAxes, ...],
        scale,
        shift: Tensor,
        *weights: Tensor,
    ):
        """Return the map and, not differentiable, photos and the moments of each average."""
        x = x.contiguous(memory_format=kernels.layout(x))
        if residual is not None:
            residual = residual.to(x.dtype).contiguous(memory_format=kernels.layout(x))
        photos: int | Tensor = len(x)

        def pool(moments: Tensor) -> Tensor:
            nonlocal photos
            moments, photos = distributed.sync_moments(moments, len(x))
            return moments

        exchange = pool if distributed.rank().world_size > 1 else None
        ctx.native = kernels.native(x)
        if ctx.native:
            y, moments = kernels.forward(
                x, averages, scale, shift, weights, EPS, exchange, residual, relu
            )
        else:
            # Detached: torch compiles again for each size of what it knows to be a parameter.
            spec = NormSpec(
                None if scale is None else scale.detach(),
                shift.detach(),
                averages,
                tuple(weight.detach() for weight in weights),
            )
            added = None if residual is None else residual.detach()
            formulas = kernels.on_gpu(plain, x, exchange)
            y, moments = formulas(x.detach(), spec, exchange, added, relu)
        ctx.averages, ctx.has_residual = averages, residual is not None
        ctx.save_for_backward(x, y if relu else None, scale, *weights, *moments)
        ctx.mark_non_differentiable(*moments, *[photos][: isinstance(photos, Tensor)])
        return y, photos, *moments

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor, *_):
        """Return the gradients of the map, residual, scale, shift and weights."""
        x, y, scale, *tables = ctx.saved_tensors
        weights, moments = tables[: len(ctx.averages)], tables[len(ctx.averages) :]
        dy = dy.contiguous(memory_format=kernels.layout(x))

        def pool(table: Tensor) -> Tensor:
            return distributed.sync_mean(table, len(x))

        exchange = pool if distributed.rank().world_size > 1 else None
        if ctx.native:
            found = kernels.backward(
                dy, x, ctx.averages, scale, weights, moments, EPS, exchange, y, ctx.has_residual
            )
        else:
            weights = [weight.detach() for weight in weights]
            formulas = kernels.on_gpu(plain_backward, x, exchange)
            found = formulas(
                dy, x.detach(), ctx.averages, scale, weights, moments, exchange, y, ctx.has_residual
            )
        dx, dresidual, dscale, dshift, dweights = found
        return dx, dresidual, None, None, dscale, dshift, *dweights


def plain_backward(
    dy: Tensor,
    x: Tensor,
    averages: tuple[PoolAxes, ...],
    scale: Tensor | None,
    weights: list[Tensor],
    moments: list[Tensor],
    exchange: kernels.Exchange | None = None,
    y: Tensor | None = None,
    has_residual: bool = False,
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor, list[Tensor]]:
    """The gradients of the map, residual, scale, shift and weights in operations of torch.

    y is the result of a ReLU, where there is one; before it, the residual's gradient is the norm's.
    With g = weight * dy and z = (x - mean) * rstd, an average adds to the map's gradient
    (g - average(g) - z * average(g * z)) * rstd and gives its weight the sum of dy * z.
    """
    if y is not None:
        dy = torch.where(y <= 0, torch.zeros_like(dy), dy)  # where y is not a number, dy passes
    pixels = x.shape[2] * x.shape[3]
    centre = (
        moments[0][0] if moments else x.new_zeros((1, x.shape[1]), dtype=kernels.table_dtype(x))
    )
    sum_dy_x = (dy * (x - wide(centre))).sum((2, 3))
    sum_dy = dy.sum((2, 3), dtype=sum_dy_x.dtype)
    by_dy = [] if scale is None else [scale[None]]
    by_x, shift, dweights = [], [], []
    for average, weight, (mean, var) in zip(averages, weights, moments, strict=True):
        rstd = torch.rsqrt(var + EPS)
        sums = torch.stack((sum_dy, sum_dy_x + (centre - mean) * sum_dy))
        averaged = average(weight * sums)
        if average.all_photos and exchange:
            averaged = exchange(averaged)
        minus_g, minus_gx = averaged * (rstd * (-1 / pixels))
        by_dy.append(weight * rstd)
        by_x.append(minus_gx * rstd * rstd)
        shift.append(torch.addcmul(minus_g, mean, by_x[-1], value=-1))
        dweights.append((rstd * sums[1]).sum(0))
    dx = dy * wide(total(by_dy))
    if moments:
        dx = dx.addcmul_(x, wide(total(by_x))).add_(wide(total(shift)))
    dscale = None if scale is None else (sum_dy_x + centre * sum_dy).sum(0)
    dresidual = dy if has_residual else None
    return dx.to(x.dtype), dresidual, dscale, sum_dy.sum(0), dweights
