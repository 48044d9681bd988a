"""The four passes over a feature map that every normalisation layer is made of.

A map is (N, C, H, W). A table is (N, C), one number for each channel of each photo, or (1, C) where
all photos share them, in float32 (float64 for float64 maps). kernels.cpp does each pass in one loop
over memory, for maps on the CPU with their channels last. It is compiled when first needed, in
about two seconds, where there is a C++ compiler with OpenMP (g++ or what CXX names); everything
else runs as plain torch.
"""

import ctypes
import functools
import logging
import os
import shlex
import subprocess
import tempfile
from pathlib import Path

import torch
from torch import Tensor

SOURCE = Path(__file__).with_name("kernels.cpp")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")
DTYPES = {torch.float64: "float64", torch.float32: "float32", torch.bfloat16: "bfloat16"}

enabled = True  # False does without the compiled kernels, for comparison


def moments(x: Tensor) -> Tensor:
    """Mean and biased variance of each channel of each photo, (2, N, C).

    The mean of a photo's first pixels is subtracted from all of them before squares are taken, so
    that a large mean does not drown a small deviation. Compiled, it is a single pass.
    """
    if native(x):
        mean_var = x.new_empty((2, *x.shape[:2]), dtype=table_dtype(x))
        call("moments", x, mean_var)
        return mean_var
    pilot = x[:, :, :1].mean((2, 3), dtype=table_dtype(x), keepdim=True)
    centred = x - pilot
    offset = centred.mean((2, 3))
    # Exported, the product is faster in onnxruntime than a square.
    var = (centred * centred).mean((2, 3)) - offset * offset
    return torch.stack((pilot.flatten(1) + offset, var.clamp_min(0)))


def scale_shift(x: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """Scale * x + shift, in x's own data type."""
    if native(x):
        y = torch.empty_like(x)
        call("scale_shift", x, Table.of(scale), Table.of(shift), y)
        return y
    return torch.addcmul(wide(shift), x, wide(scale)).to(x.dtype)


def gradient_sums(dy: Tensor, x: Tensor, mean: Tensor) -> Tensor:
    """Sums over the pixels of dy and of dy * (x - mean), (2, N, C), for any table of means."""
    if native(x):
        sums = x.new_empty((2, *x.shape[:2]), dtype=table_dtype(x))
        call("gradient_sums", dy, x, Table.of(mean), sums)
        return sums
    sum_dy_x = (dy * (x - wide(mean))).sum((2, 3))
    return torch.stack((dy.sum((2, 3), dtype=sum_dy_x.dtype), sum_dy_x))


def combine(dy: Tensor, x: Tensor, by_dy: Tensor, by_x: Tensor, shift: Tensor) -> Tensor:
    """The gradient of the map: by_dy * dy + by_x * x + shift, in x's own data type."""
    if native(x):
        dx = torch.empty_like(x)
        call("combine", dy, x, Table.of(by_dy), Table.of(by_x), Table.of(shift), dx)
        return dx
    return torch.addcmul(wide(shift), dy, wide(by_dy)).addcmul_(x, wide(by_x)).to(x.dtype)


def table_dtype(x: Tensor) -> torch.dtype:
    """float32 for half-precision maps: statistics are never accumulated in fewer bits."""
    return torch.promote_types(x.dtype, torch.float32)


def wide(table: Tensor) -> Tensor:
    """See a table (N, C) as (N, C, 1, 1)."""
    return table[..., None, None]


def recorded() -> bool:
    """Whether operations are being recorded for later and not just run."""
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._len_torch_dispatch_stack() > 0  # make_fx
        or torch._C._functorch.peek_interpreter_stack() is not None  # torch.func
    )


def layout(x: Tensor) -> torch.memory_format:
    """The memory format to put x, or what belongs to it, into before a kernel is called."""
    last = x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def native(x: Tensor) -> bool:
    """Whether the compiled kernels take maps like x."""
    return (
        enabled
        and not recorded()
        and x.device.type == "cpu"
        and x.dtype in DTYPES
        and x.numel() > 0
        and x.is_contiguous(memory_format=torch.channels_last)
        and library() is not None
    )


class Table(ctypes.Structure):
    """A table as kernels.cpp takes it: a step of zero where all photos share its numbers."""

    _fields_ = (("data", ctypes.c_void_p), ("step", ctypes.c_int64))

    @classmethod
    def of(cls, table: Tensor) -> "Table":
        """Point at a table, which has to outlive the call; its channels must be contiguous."""
        return cls(table.data_ptr(), table.stride(0) if table.shape[0] > 1 else 0)


ARGUMENTS: dict[str, tuple[type, ...]] = {
    "moments": (ctypes.c_void_p,) * 2,
    "scale_shift": (ctypes.c_void_p, Table, Table, ctypes.c_void_p),
    "gradient_sums": (ctypes.c_void_p, ctypes.c_void_p, Table, ctypes.c_void_p),
    "combine": (ctypes.c_void_p, ctypes.c_void_p, Table, Table, Table, ctypes.c_void_p),
}


def call(name: str, x: Tensor, *others: Tensor | Table) -> None:
    """Call a compiled kernel for the data type and size of its first argument, a map."""
    photos, channels, height, width = x.shape
    pointers = [t.data_ptr() if isinstance(t, Tensor) else t for t in (x, *others)]
    kernel = getattr(library(), f"{name}_{DTYPES[x.dtype]}")
    kernel(*pointers, photos, height * width, channels)


@functools.cache
def library() -> ctypes.CDLL | None:
    """kernels.cpp compiled for this machine, once a process; None where that does not work."""
    compiler = os.environ.get("CXX", "g++")
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "kernels.so"
            command = [*shlex.split(compiler), *FLAGS, str(SOURCE), "-o", str(path)]
            subprocess.run(command, check=True, capture_output=True, timeout=120)
            loaded = ctypes.CDLL(str(path))
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        logging.getLogger(__name__).info("The norms run uncompiled: %s", error)
        return None
    for name, arguments in ARGUMENTS.items():
        for dtype in DTYPES.values():
            kernel = getattr(loaded, f"{name}_{dtype}")
            kernel.argtypes = [*arguments, *[ctypes.c_int64] * 3]
            kernel.restype = None
    return loaded
