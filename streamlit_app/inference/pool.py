"""The pools of worker processes that decode and classify visitors' files (worker.py).

A file that makes a decoder crash, or take too much memory or time, ends its worker and gets a
sentence; the pool starts another. Photos of a table are classified in the worker that decodes them,
so a page that shows their progress has its own process to itself.
"""

import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import IO, Any, TypeVar

from PIL import Image

from plumage.photos import PhotoError, check_size
from streamlit_app.inference.classifier import CheckpointError
from streamlit_app.inference.limits import CORES, return_memory_at_once
from streamlit_app.inference.protocol import (
    READY,
    read_frame,
    read_message,
    write_frame,
    write_message,
)

ROOT = Path(__file__).parents[2]
# A network's numbers are megabytes: in the kernel's large pages it takes 5% less of a core.
LARGE_PAGES = MappingProxyType({"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"})
Response = TypeVar("Response")
Read = Callable[[], bytes]  # reads a file's bytes

return_memory_at_once()


def decode_photo(data: bytes) -> Image.Image:
    """Decode a file in a worker.

    Returns: an RGB photo, as `plumage.photos.read_photo` does. Raises: PhotoError, also where the
        file makes a decoder crash or take too much memory or time.
    """
    check_size(data)
    with decoders.worker() as worker:
        return worker.request(lambda stream: _send_file(stream, data), _receive_photo)


def classify_files(
    checkpoint: Path, one_look: bool, reads: Sequence[Read], thumbnails: bool
) -> list[dict[str, Any]]:
    """Decode and classify files in one worker.

    checkpoint: its folder. one_look: as `Classifier` takes it. Returns: for each file the fields of
        a table's row, among them `error`, and `thumbnail` where these are wanted. Raises:
        CheckpointError, and PhotoError where one of the files ends the worker.
    """
    faults: dict[int, str] = {}

    def send(stream: IO[bytes]) -> None:
        request = {"op": "classify", "checkpoint": str(checkpoint.absolute())}
        write_message(stream, request | {"one_look": one_look, "thumbnails": thumbnails})
        for place, read in enumerate(reads):  # one after the other, so that few are in memory
            try:
                data = read()
                check_size(data)
            except PhotoError as error:
                faults[place] = str(error)
            except OSError as error:
                faults[place] = f"This file cannot be opened: {error.strerror or error}."
            else:
                write_frame(stream, data)
        write_frame(stream, b"")

    with classifiers.worker() as worker:
        response = worker.request(send, read_message)
    if "unusable" in response:
        raise CheckpointError(response["unusable"])
    rows = iter(response["rows"])
    return [
        {"error": faults[place]} if place in faults else next(rows) for place in range(len(reads))
    ]


def _send_file(stream: IO[bytes], data: bytes) -> None:
    write_message(stream, {"op": "decode"})
    write_frame(stream, data)
    write_frame(stream, b"")


def _receive_photo(stream: IO[bytes]) -> Image.Image:
    response = read_message(stream)
    if "fault" in response:
        raise PhotoError(response["fault"])
    size = response["size"]
    return Image.frombuffer("RGB", tuple(size), read_frame(stream), "raw", "RGB", 0, 1)


class Worker:
    """One worker process, replaced where it dies.

    command: what starts it. environment: its variables besides this process's, which go first.
    """

    command = (sys.executable, "-m", "streamlit_app.inference.worker")

    def __init__(self, environment: Mapping[str, str] = MappingProxyType({})) -> None:
        self.environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False

    def start(self) -> subprocess.Popen[bytes]:
        """Start the process unless it lives; it may not be ready yet."""
        if self._process is None or self._process.poll() is not None:
            # Not by multiprocessing, which would run the page that is being served in the child.
            self._process = subprocess.Popen(
                self.command,
                2**16,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=ROOT,
                env={**self.environment, **os.environ},
            )
            self._ready = False
        return self._process

    def request(
        self, send: Callable[[IO[bytes]], None], receive: Callable[[IO[bytes]], Response]
    ) -> Response:
        """Send a request, receive its response; raises PhotoError where that ends the process."""
        process = self.start()
        requests, responses = process.stdin, process.stdout
        assert requests is not None
        assert responses is not None
        try:
            if not self._ready and responses.readline() != READY:
                raise OSError(f"{' '.join(self.command)} does not start.")
            self._ready = True
            with suppress(BrokenPipeError):  # the process has died: receive() notices
                send(requests)
                requests.flush()
            return receive(responses)
        except EOFError:
            fault = _exit_reason(process.wait())
            self._end()
            self.start()
            raise fault from None
        except PhotoError:
            raise
        except BaseException:  # the rest of this response would be the next file's
            self._end()
            raise

    def _end(self) -> None:
        if self._process is not None:
            with suppress(OSError), self._process:
                self._process.kill()
            self._process = None


class WorkerPool:
    """A worker for each core; a thread uses one at a time."""

    def __init__(
        self, environment: Mapping[str, str] = MappingProxyType({}), count: int = CORES
    ) -> None:
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()
        for _ in range(count):
            self._idle.put(Worker(environment))

    @contextmanager
    def worker(self) -> Iterator[Worker]:
        """Take the idle worker that was used last, so that no more are started than are needed."""
        worker = self._idle.get()
        try:
            yield worker
        finally:
            self._idle.put(worker)

    def warm_up(self, count: int = CORES) -> None:
        """Start idle workers now, at most `count`, so that the first request need not wait."""
        idle = []
        with suppress(queue.Empty):
            for _ in range(count):
                idle.append(self._idle.get_nowait())
        for worker in idle:
            worker.start()
            self._idle.put(worker)


# A visitor's single photo never waits for a table's: each kind of request has a pool.
decoders = WorkerPool()
classifiers = WorkerPool(LARGE_PAGES)


def _exit_reason(status: int) -> PhotoError:
    """Why a worker died, by its exit status."""
    # Negative: the signal; the first two are those of worker.py's timers, where there are any.
    if -status in (getattr(signal, "SIGPROF", 0), getattr(signal, "SIGALRM", 0)):
        return PhotoError("This photo takes too long to open: save it as JPEG again and retry.")
    if -status == getattr(signal, "SIGKILL", 0):  # by the system
        return PhotoError("The machine ran short of memory: try this photo again in a moment.")
    return PhotoError("This photo is damaged and cannot be opened: save it as JPEG again.")
