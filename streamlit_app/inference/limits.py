"""Whose turn it is to use the processor: few at once, some waiting, the rest asked to come back."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

BUSY = "Plumage has its hands full with other visitors' photos: please try again in a moment."


class BusyError(RuntimeError):
    """Too many are waiting; the message asks for patience."""


class Turns:
    """Lets `at_once` threads work while `waiting` others wait; a thread takes one at a time."""

    def __init__(self, at_once: int, waiting: int) -> None:
        self._at_work = threading.Semaphore(at_once)
        self._places = threading.Semaphore(at_once + waiting)

    @contextmanager
    def one(self) -> Iterator[None]:
        """Wait for a turn and have it for the block; raises BusyError where too many wait."""
        if not self._places.acquire(blocking=False):
            raise BusyError(BUSY)
        try:
            with self._at_work:
                yield
        finally:
            self._places.release()
