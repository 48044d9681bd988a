"""The machine that a run is trained on: its devices, its memory, its name for the report."""

import ctypes
import os
import platform
from pathlib import Path
from typing import Any

import torch

from trainer.utils.cli import UserError

M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # from glibc's malloc.h


class DeviceError(UserError):
    """A device that this machine does not have."""


def prepare() -> None:
    """Set this process up for fast training: reused memory, and denormal numbers taken as 0."""
    tune_malloc()
    torch.set_flush_denormal(True)


def tune_malloc() -> None:
    """Make glibc reuse freed blocks instead of returning them to the kernel.

    Every activation above 32 MB otherwise goes back to the kernel and is faulted in page by page
    when the next step asks for it, which can halve the speed at 256 px. Does nothing where the
    C library is another one.
    """
    try:
        libc = ctypes.CDLL("libc.so.6")
        libc.mallopt(M_MMAP_MAX, 0)
        libc.mallopt(M_TRIM_THRESHOLD, 2**31 - 1)
    except (OSError, AttributeError):
        pass


def check_device(device: str) -> None:
    """Raise DeviceError unless torch can compute on a device: cpu, cuda, cuda:INDEX or mps."""
    kind, _, index = device.partition(":")
    if kind == "cuda" and int(index or 0) >= torch.cuda.device_count():
        raise DeviceError(
            f"--device {device} is not there: torch finds {torch.cuda.device_count()} GPUs. "
            "--device cpu trains on the processor."
        )
    if kind == "mps" and not torch.backends.mps.is_available():
        raise DeviceError("--device mps is not there: --device cpu trains on the processor.")


def machine(device: str) -> dict[str, Any]:
    """The machine's processor and cores, and where the device is a GPU, its name."""
    found: dict[str, Any] = {"processor": processor(), "cores": os.cpu_count()}
    if device.startswith("cuda"):
        found["gpu"] = torch.cuda.get_device_name(device)
    return found


def processor() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(x.split(":")[1].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
