"""The four passes over a feature map that every normalisation layer is made of.

A map is (N, C, H, W), in either memory layout; a table is (N, C), one number for each channel of
each photo, in float32 (float64 for float64 maps). `run` compiles each pass into one loop over
memory where torch.compile has a compiler; elsewhere the same functions run as plain torch.
"""

import logging
import os
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

# (mean, var, pixels) -> (scale, shift), on tables.
Scheme = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]

# Batch, channels, height and width that the kernels are compiled with: unequal and as large as
# real ones, so that the compiler neither takes two of them for one size nor calls any of them
# tiny. 16 channels are the fewest, where most pixels are: it vectorises for that many.
EXAMPLE_SIZES = (24, 16, 40, 56)


def table_dtype(x: Tensor) -> torch.dtype:
    """float32 for half-precision maps: statistics are never accumulated in fewer bits."""
    return torch.promote_types(x.dtype, torch.float32)


def moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel of each photo, in a single pass.

    The first line's mean is subtracted from all pixels before squares are taken, so that a large
    mean does not drown a small deviation.
    """
    pixels = x.shape[2] * x.shape[3]
    first = x[:, :, :1].to(table_dtype(x)).mean(3, keepdim=True)
    centred = x.to(first.dtype) - first
    mean = total(centred) / pixels
    var = total(centred * centred) / pixels - mean * mean
    return mean + first[:, :, 0, 0], var.clamp_min(0)


def scale_shift(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Scale * x + shift, in x's own data type."""
    return torch.addcmul(wide(shift), x.to(scale.dtype), wide(scale)).to(x.dtype)


def gradient_sums(dy: Tensor, x: Tensor, mean: Tensor, zero: Tensor) -> tuple[Tensor, Tensor]:
    """Sums of dy * x and of dy: the gradients of scale and shift.

    Any mean gives the same sums; the map's own keeps the digits where x is far from zero. The
    table of zeros makes both sums depend on n: only then does inductor take them in one loop.
    """
    dy = dy.to(mean.dtype) - wide(zero)
    dshift = total(dy)
    return total(dy * (x.to(mean.dtype) - wide(mean))) + mean * dshift, dshift


def combine(dy: Tensor, x: Tensor, a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The gradient of the map: a * dy + b * x + c, in x's own data type."""
    dx = torch.addcmul(wide(c), dy.to(a.dtype), wide(a))
    return torch.addcmul(dx, x.to(a.dtype), wide(b)).to(x.dtype)


def wide(table: Tensor) -> Tensor:
    """See a table (N, C) as (N, C, 1, 1)."""
    return table[:, :, None, None]


def total(x: Tensor) -> Tensor:
    """Sum over height and width, (N, C)."""
    # Compiled, each line is summed on its own first: all lines run in parallel, and the sums are
    # as exact as the compensated ones that inductor would switch to, with a second compilation,
    # above 4096 terms. Plain torch is faster in one go.
    return x.sum(3).sum(2) if torch.compiler.is_compiling() else x.sum((2, 3))


def in_long_lines(x: Tensor) -> Tensor:
    """See a map as one with fewer and longer lines, up to 1024 pixels: `total` likes them."""
    height, width = x.shape[2:]
    lines = 1
    while height % (2 * lines) == 0 and height > 2 * lines and 2 * lines * width <= 1024:
        lines *= 2
    return x.view(*x.shape[:2], height // lines, lines * width)


def run(kernel: Callable, *args: Tensor):
    """Call a kernel, compiled where that is possible.

    Args:
        kernel: one of the four above.
        args: its arguments; the first is a map that fills its memory.
    """
    x = args[0]
    # A size of one would be compiled into code that then serves nothing else.
    if not compiling or min(x.shape) < 2:
        return kernel(*args)
    key = (kernel, x.dtype, x.device, x.is_contiguous())
    if key not in _compiled:
        _compiled[key] = _compile(kernel, args)
    return _compiled[key](*args)


compiling = os.environ.get("TORCH_COMPILE_DISABLE") != "1"
_compiled: dict[tuple, Callable] = {}


def _compile(kernel: Callable, args: tuple[Tensor, ...]) -> Callable:
    """The kernel compiled for maps and tables like these of any size, or as it is.

    What cannot be compiled once is not tried again: there is no compiler, or it does not work.
    """
    global compiling
    # The compiler's vector instructions are not tried out first: that takes longer than compiling
    # all four kernels, and a compiler that lacks them fails here and is not used.
    function = torch.compile(kernel, dynamic=True, options={"cpp.vec_isa_ok": True})
    examples = [
        torch.zeros(EXAMPLE_SIZES[: a.dim()], dtype=a.dtype, device=a.device).contiguous(
            memory_format=torch.contiguous_format if a.is_contiguous() else torch.channels_last
        )
        for a in args
    ]
    try:
        function(*examples)
    except Exception as error:
        compiling = False
        logging.getLogger(__name__).info("norms run uncompiled: %s", error)
        return kernel
    return function


class Normalize(torch.autograd.Function):
    """Moments, scheme, scale and shift; backward through the same three.

    The scheme is differentiated by autograd on its small tables, the passes over the map by hand.
    """

    @staticmethod
    def forward(ctx, x: Tensor, scheme: Scheme, reads_input: bool, *parameters: Tensor) -> Tensor:
        """x: (N, C, H, W) -> the same; `reads_input` tells whether the scheme needs the moments."""
        x = x.detach().contiguous(memory_format=layout(x))
        tables = run(moments, in_long_lines(x)) if reads_input else ()
        with torch.enable_grad():
            leaves = [t.requires_grad_() for t in tables]
            mean, var = leaves or (x.new_empty(0), x.new_empty(0))
            results: Sequence[Tensor] = scheme(mean, var, x.shape[2] * x.shape[3])
            # The kernels take tables of one shape and type, whatever the scheme pools over.
            results = [r.to(table_dtype(x)).expand(x.shape[:2]) for r in results]
        scale, shift = (r.detach().contiguous() for r in results)
        ctx.save_for_backward(x)
        ctx.graph = (leaves, parameters, results, scale)
        return run(scale_shift, x, scale, shift)

    @staticmethod
    @once_differentiable
    def backward(ctx, dy: Tensor):
        """dy: (N, C, H, W) -> gradients of x and of the parameters."""
        (x,) = ctx.saved_tensors
        leaves, parameters, results, scale = ctx.graph
        dy = dy.detach().contiguous(memory_format=layout(x))
        zero = torch.zeros_like(scale)
        mean = leaves[0].detach() if leaves else zero
        grads = {}
        if wanted := [t for t in (*leaves, *parameters) if t.requires_grad]:
            sums = run(gradient_sums, in_long_lines(dy), in_long_lines(x), mean, zero)
            found = torch.autograd.grad(results, wanted, sums, retain_graph=True)
            grads = dict(zip(wanted, found, strict=True))
        if leaves:
            pixels = x.shape[2] * x.shape[3]
            dmean, dvar = (grads[leaf] for leaf in leaves)
            b = dvar * (2 / pixels)
            dx = run(combine, dy, x, scale, b, dmean / pixels - b * mean)
        else:
            dx = run(scale_shift, dy, scale, zero)
        return dx, None, None, *(grads.get(p) for p in parameters)


def layout(x: Tensor) -> torch.memory_format:
    """The memory format that x is in or nearest to."""
    last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
    return torch.channels_last if last else torch.contiguous_format
