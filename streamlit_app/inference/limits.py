"""Limits on what visitors may ask of the machine at once, and on the memory that it keeps."""

import ctypes
import math
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

MAX_CORES = 1024


def parse_cores(text: str) -> int:
    """A number of cores as people write it, rounded down to at least 1; empty: all there are.

    Raises: ValueError.
    """
    if not text.strip():
        return os.cpu_count() or 1
    try:
        cores = float(text.replace(",", "."))
    except ValueError:
        cores = math.nan
    if not 0 < cores <= MAX_CORES:
        raise ValueError(
            f"PLUMAGE_CORES is {text.strip()!r}: set it to a number of cores, such as 2, or leave "
            "it empty for all."
        )
    return max(1, int(cores))


# Cores that the app may keep busy. A container does not say how many of the machine's are its own.
# A fault is said where people see it: by the command, and on each page.
CORES_FAULT = ""
try:
    CORES = parse_cores(os.environ.get("PLUMAGE_CORES", ""))
except ValueError as error:
    CORES, CORES_FAULT = 1, str(error)
BUSY = "The server is busy: please try again in a moment."


class BusyError(RuntimeError):
    """Too many requests are waiting; the message asks to try again."""


class ConcurrencyLimiter:
    """Lets `at_once` threads work while `waiting` others wait; a thread holds one slot."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._working = threading.Semaphore(at_once)
        self._admitted = threading.Semaphore(at_once + waiting)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Wait for a slot and hold it for the block; raises BusyError where too many wait."""
        if not self._admitted.acquire(blocking=False):
            raise BusyError(BUSY)
        try:
            with self._working:
                yield
        finally:
            self._admitted.release()


def return_memory_at_once() -> None:
    """Have glibc give a photo's memory back when it is freed, by way of M_MMAP_THRESHOLD.

    Left to itself it keeps a share for each thread: 400 MB after a dozen phone photos, not 280.
    """
    with suppress(AttributeError, OSError, TypeError):  # another libc
        ctypes.CDLL(None).mallopt(-3, 2**20)
