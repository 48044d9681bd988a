"""Compiled normalisation: a whole `normalize.normalize` in one call forward, one backward.

kernels.cpp takes maps (N, C, H, W) on the CPU with their channels last, reads them as few times as
can be, and keeps what it finds in tables: a number for each channel of each photo, in float32
(float64 for float64 maps). It is compiled once for a machine, in a few seconds, where there is a
C++ compiler with OpenMP (g++ or what CXX names), and kept beside Python's own compiled files. On a
GPU torch compiles the formulas of `trainer.model.normalize` themselves (`on_gpu`); everything else
runs them as they are.
"""

import ctypes
import functools
import getpass
import hashlib
import importlib.util
import logging
import os
import shlex
import stat
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from torch import Tensor

from trainer.utils import distributed
from trainer.utils.files import replacing
from trainer.utils.system import processor

SOURCE = Path(__file__).with_name("kernels.cpp")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fopenmp", "-shared", "-fPIC")
DTYPES = {torch.float64: "float64", torch.float32: "float32", torch.bfloat16: "bfloat16"}

enabled = True  # False does without the compiled kernels, for comparison

# From averages over the photos of this process, (2, 1, C), to those over all processes' photos.
Exchange = Callable[[Tensor], Tensor]


def forward(
    x: Tensor,
    averages: Sequence[tuple[bool, int]],
    scale: Tensor | None,
    shift: Tensor,
    weights: Sequence[Tensor],
    eps: float,
    exchange: Exchange | None = None,
    residual: Tensor | None = None,
    relu: bool = False,
) -> tuple[Tensor, list[Tensor]]:
    """Apply `trainer.model.normalize.NormSpec` to a map that is `native`, then add and clip.

    Args:
        residual: as x in shape, data type and layout; given only with relu.
        relu: whether the last step is a ReLU.

    Returns:
        y: (N, C, H, W), in the data type and memory layout of x.
        moments: (2, N or 1, C), mean and biased variance, of each average in turn.
    """
    y, dtype = torch.empty_like(x), table_dtype(x)
    rows = [1 if all_photos else x.shape[0] for all_photos, _ in averages]
    moments = [x.new_empty((2, n, x.shape[1]), dtype=dtype) for n in rows]
    tables, none = (scale, shift, None, None), [None] * len(rows)
    maps = (x, residual, y)
    call("forward", maps, averages, tables, weights, moments, eps, none, exchange, relu)
    return y, moments


def backward(
    dy: Tensor,
    x: Tensor,
    averages: Sequence[tuple[bool, int]],
    scale: Tensor | None,
    weights: Sequence[Tensor],
    moments: Sequence[Tensor],
    eps: float,
    exchange: Exchange | None = None,
    y: Tensor | None = None,
    has_residual: bool = False,
) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor, list[Tensor]]:
    """Return the gradients of the map, residual, scale, shift and weights.

    dy is laid out as x, and so is y, the result of a ReLU, which is given where there is one.
    """
    dx, dresidual = torch.empty_like(x), torch.empty_like(x) if has_residual else None
    dscale, dshift, *dweights = x.new_zeros((2 + len(weights), x.shape[1]), dtype=table_dtype(x))
    tables = (scale, None, dscale, dshift)
    maps, relu = (dy, x, y, dx, dresidual), y is not None
    call("backward", maps, averages, tables, weights, moments, eps, dweights, exchange, relu)
    return dx, dresidual, None if scale is None else dscale, dshift, dweights


def on_gpu(
    formulas: Callable[..., Any], x: Tensor, exchange: Exchange | None
) -> Callable[..., Any]:
    """The function to call for these formulas with maps like x: on a GPU, compiled by torch."""
    # An exchange involves another process, where no compiler can follow it.
    return _compiled(formulas) if enabled and x.is_cuda and exchange is None else formulas


@functools.cache
def _compiled(formulas: Callable[..., Any]) -> Callable[..., Any]:
    """Compiled when called, once for all sizes of map; as they are where torch cannot."""
    return torch.compile(formulas, dynamic=True) if importlib.util.find_spec("triton") else formulas


def table_dtype(x: Tensor) -> torch.dtype:
    """float32 for half-precision maps: statistics are never accumulated in fewer bits."""
    return torch.promote_types(x.dtype, torch.float32)


def recorded() -> bool:
    """Whether operations are being recorded for later and not just run."""
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._len_torch_dispatch_stack() > 0  # make_fx
        or torch._C._functorch.peek_interpreter_stack() is not None  # torch.func
        or torch._C._len_torch_function_stack() > 0  # something replaces F.relu, say
    )


def layout(x: Tensor) -> torch.memory_format:
    """The memory format to put x, or what belongs to it, into before a kernel is called."""
    last = x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format


def native(x: Tensor) -> bool:
    """Whether the compiled kernels take maps like x, unless operations are `recorded`."""
    return (
        enabled
        and x.device.type == "cpu"
        and x.dtype in DTYPES
        and x.numel() > 0
        and x.is_contiguous(memory_format=torch.channels_last)
        and library() is not None
    )


def address(table: Tensor | None) -> int | None:
    """The address of a table's numbers, for ctypes."""
    return None if table is None else table.data_ptr()


class PoolAxes(ctypes.Structure):
    """An average as kernels.cpp takes it."""

    _fields_ = (
        ("all_photos", ctypes.c_int64),
        ("channels", ctypes.c_int64),
        *[(name, ctypes.c_void_p) for name in ("weight", "moments", "dweight")],
    )


EXCHANGE = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


class NormSpec(ctypes.Structure):
    """A NormSpec as kernels.cpp takes it, and the size of the map."""

    _fields_ = (
        *[(name, ctypes.c_void_p) for name in ("scale", "shift", "dscale", "dshift", "averages")],
        ("count", ctypes.c_int64),
        ("eps", ctypes.c_double),
        *[(name, ctypes.c_int64) for name in ("relu", "photos", "pixels", "channels")],
        ("exchange", EXCHANGE),
    )


def call(
    name: str,
    maps: Sequence[Tensor | None],
    averages: Sequence[tuple[bool, int]],
    tables: Sequence[Tensor | None],
    weights: Sequence[Tensor],
    moments: Sequence[Tensor],
    eps: float,
    dweights: Sequence[Tensor | None],
    exchange: Exchange | None,
    relu: bool,
) -> None:
    """Call a compiled kernel for the data type and size of the first map.

    Args:
        tables: scale, shift and where their gradients go, each (C,) or None.
        dweights: where the gradients of weights go.
    """
    (first, *_) = maps
    assert first is not None
    photos, channels, height, width = first.shape
    dtype = table_dtype(first)
    tables = [table if table is None else table.to(dtype).contiguous() for table in tables]
    weights = [weight.to(dtype).contiguous() for weight in weights]
    pointers = [address(table) for table in tables]
    sets = [
        PoolAxes(*average, weight.data_ptr(), found.data_ptr(), address(dweight))
        for average, weight, found, dweight in zip(
            averages, weights, moments, dweights, strict=True
        )
    ]
    array = (PoolAxes * len(sets))(*sets)
    size = (relu, photos, height * width, channels)
    failures: list[BaseException] = []
    callback = in_place(exchange, channels, dtype, failures) if exchange else EXCHANGE()
    spec = NormSpec(*pointers, ctypes.addressof(array), len(sets), eps, *size, callback)
    kernel = getattr(library(), f"{name}_{DTYPES[first.dtype]}")
    kernel(*map(address, maps), ctypes.byref(spec))
    if failures:
        raise failures[0]


def in_place(
    exchange: Exchange, channels: int, dtype: torch.dtype, failures: list[BaseException]
) -> Any:
    """An exchange as kernels.cpp calls it, which cannot pass an exception on: it is put aside."""

    def exchanged(address: int) -> None:
        memory = (ctypes.c_byte * (2 * channels * dtype.itemsize)).from_address(address)
        table = torch.frombuffer(memory, dtype=dtype).view(2, 1, channels)
        try:
            table.copy_(exchange(table))
        except BaseException as error:
            failures.append(error)

    return EXCHANGE(exchanged)


@functools.cache
def library() -> ctypes.CDLL | None:
    """Load kernels.cpp, compiled for this machine once and for all; None where that fails."""
    compiler = shlex.split(os.environ.get("CXX", "g++"))
    try:
        loaded = _load(compiler)
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        if distributed.rank().index == 0:
            reason = getattr(error, "stderr", None) or error
            logging.getLogger(__name__).warning(
                "The norms run uncompiled, and a training step takes about twice as long: "
                "install g++, or name another C++ compiler in the variable CXX. (%s)",
                str(reason).strip().split("\n")[0],
            )
        return None
    for name, maps in (("forward", 3), ("backward", 5)):
        for dtype in DTYPES.values():
            kernel = getattr(loaded, f"{name}_{dtype}")
            kernel.argtypes = [*[ctypes.c_void_p] * maps, ctypes.POINTER(NormSpec)]
            kernel.restype = None
    return loaded


def _load(compiler: list[str]) -> ctypes.CDLL:
    """Load the library from the first folder that can keep it, and compile it if it is missing.

    Raises:
        OSError, subprocess.SubprocessError: no compiler works, or no folder can keep the library.
    """
    name = f"kernels-{_key(compiler)}.so"
    failure: Exception | None = None
    for folder in (_beside_the_source, _of_this_user):
        try:
            path = folder() / name
            if not path.exists():
                with FileLock(path.with_suffix(".lock")):  # one process compiles, others wait
                    if not path.exists():
                        with replacing(path) as temporary:
                            _run(*compiler, *FLAGS, str(SOURCE), "-o", str(temporary))
            return ctypes.CDLL(str(path))
        except (OSError, NotImplementedError) as error:  # not writable, not executable, no locks
            failure = error
    raise OSError(str(failure))


def _key(compiler: list[str]) -> str:
    """Hash of the source, the flags, the compiler and the processor.

    What the compiler predefines tells its version and each instruction set of -march=native.
    """
    predefined = _run(*compiler, *FLAGS, "-dM", "-E", "-x", "c++", os.devnull)
    words = [SOURCE.read_text(encoding="utf-8"), *compiler, *FLAGS, predefined, processor()]
    return hashlib.sha256("\0".join(words).encode()).hexdigest()[:16]


def _run(*command: str) -> str:
    """Run a compiler and return what it prints."""
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
    return done.stdout


def _beside_the_source() -> Path:
    """Python's own folder of compiled files: __pycache__, or what PYTHONPYCACHEPREFIX names."""
    folder = Path(importlib.util.cache_from_source(str(SOURCE))).parent
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _of_this_user() -> Path:
    """A folder below the temporary one that nobody else may write; raises OSError otherwise."""
    user = os.getuid() if hasattr(os, "getuid") else getpass.getuser()
    folder = Path(tempfile.gettempdir()) / f"plumage-{user}"
    folder.mkdir(mode=0o700, exist_ok=True)
    state = folder.lstat()
    private = stat.S_ISDIR(state.st_mode) and not state.st_mode & 0o022
    if hasattr(os, "getuid") and not (private and state.st_uid == os.getuid()):
        raise PermissionError(f"{folder} belongs to somebody else or can be written by others")
    return folder
