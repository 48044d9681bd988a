"""What a run was trained on, for its report."""

import os
import platform
from pathlib import Path
from typing import Any

import torch

from trainer.utils.cli import UserError


class DeviceError(UserError):
    """A device that this machine does not have."""


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
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(x.split(":")[1].strip() for x in lines if x.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
