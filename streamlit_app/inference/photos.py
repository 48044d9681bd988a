"""Uploaded bytes to a photo, or one sentence saying what to do about them.

Strangers' files are decoded in processes of their own (decoding.py, answering.py). One that makes a
decoder crash, or take too much memory or time, costs that process and gets a sentence.
"""

import ctypes
import json
import os
import queue
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from struct import Struct
from types import MappingProxyType
from typing import IO, Any, Generic, TypeVar

from PIL import Image

from plumage.photos import PhotoError, check_size

SUFFIXES = ("jpg", "jpeg", "png", "webp", "heic", "heif", "avif")
ROOT = Path(__file__).parents[2]
# Those that the app may keep busy. A container does not say how many of the machine's are its own.
CORES = int(os.environ.get("PLUMAGE_CORES", 0)) or os.cpu_count() or 1
READY = b"ready\n"  # what a helper says first
Said = TypeVar("Said")
LENGTH = Struct("<Q")  # of a file, before its bytes

# Have glibc return a photo's memory at once, by way of M_MMAP_THRESHOLD. Left to itself it keeps a
# share for each thread: 400 MB after a dozen phone photos instead of 280.
with suppress(AttributeError, OSError, TypeError):  # another libc
    ctypes.CDLL(None).mallopt(-3, 2**20)


def read_upload(data: bytes) -> Image.Image:
    """Decode a stranger's file as `plumage.photos.read_photo` does, in a process of its own.

    Raises: PhotoError, also where the file makes a decoder crash or take too much memory or time.
    """
    check_size(data)
    with _helpers.one() as decoder:
        return decoder.ask(data)


def start_decoding() -> None:
    """Start a process now, so that the first photo need not wait for it."""
    with _helpers.one() as decoder:
        decoder.start()


class Helper:
    """A process that opens files for this one, a request at a time, and is replaced if it dies."""

    command: list[str]  # what starts it
    environment: Mapping[str, str] = MappingProxyType({})  # beside this one's, which goes first

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False

    def start(self) -> subprocess.Popen[bytes]:
        """The process, a new one where there is none alive; it may not be ready yet."""
        if self._process is None or self._process.poll() is not None:
            # Not from multiprocessing, which would run the page that is being served in the child.
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

    def talk(self, send: Callable[[IO[bytes]], None], receive: Callable[[IO[bytes]], Said]) -> Said:
        """What is received for what is sent; raises PhotoError where that ends the process."""
        process = self.start()
        request, response = process.stdin, process.stdout
        assert request is not None
        assert response is not None
        try:
            if not self._ready and response.readline() != READY:
                raise OSError(f"{' '.join(self.command)} does not start.")
            self._ready = True
            with suppress(BrokenPipeError):  # then it has died, which is noticed below
                send(request)
                request.flush()
            return receive(response)
        except EOFError:
            fault = _fault(process.wait())
            self._end()
            self.start()
            raise fault from None
        except PhotoError:
            raise
        except BaseException:  # half a response is left, which the next file would get
            self._end()
            raise

    def _end(self) -> None:
        if self._process is not None:
            with suppress(OSError), self._process:
                self._process.kill()
            self._process = None


Kind = TypeVar("Kind", bound=Helper)


class Helpers(Generic[Kind]):
    """A helper for each core, each talking to one thread at a time."""

    def __init__(self, kind: type[Kind], count: int = CORES) -> None:
        self._idle: queue.LifoQueue[Kind] = queue.LifoQueue()
        for _ in range(count):
            self._idle.put(kind())

    @contextmanager
    def one(self) -> Iterator[Kind]:
        """The idle one that was used last, so that no more are started than are needed."""
        helper = self._idle.get()
        try:
            yield helper
        finally:
            self._idle.put(helper)

    def start(self) -> None:
        """Start those that are idle now."""
        idle = []
        with suppress(queue.Empty):
            while True:
                idle.append(self._idle.get_nowait())
        for helper in idle:
            helper.start()
            self._idle.put(helper)


class Decoder(Helper):
    """A process that decodes files."""

    command = [sys.executable, "-m", "streamlit_app.inference.decoding"]

    def ask(self, data: bytes) -> Image.Image:
        """Have a file decoded; raises PhotoError, also where it is what ends the process."""
        return self.talk(lambda stream: send_file(stream, data), _response)


_helpers = Helpers(Decoder)


def send_file(stream: IO[bytes], data: bytes) -> None:
    """Write a file to a helper."""
    stream.write(LENGTH.pack(len(data)))
    stream.write(data)


def _response(stream: IO[bytes]) -> Image.Image:
    """What a decoder says: a line of JSON and, where that tells of no fault, the pixels.

    Raises: PhotoError with the fault, EOFError where the process has died instead.
    """
    said = read_line(stream)
    if "fault" in said:
        raise PhotoError(said["fault"])
    width, height = said["size"]
    pixels = stream.read(3 * width * height)
    if len(pixels) < 3 * width * height:
        raise EOFError
    return Image.frombuffer("RGB", (width, height), pixels, "raw", "RGB", 0, 1)


def read_line(stream: IO[bytes]) -> dict[str, Any]:
    """A line of JSON from a helper; raises EOFError where the helper has died."""
    if not (line := stream.readline()).endswith(b"\n"):
        raise EOFError
    said: dict[str, Any] = json.loads(line)
    return said


def _fault(status: int) -> PhotoError:
    """Why a process died, by its exit status."""
    # Negative: the signal; the first two are those of decoding.py's clocks, where there are any.
    if -status in (getattr(signal, "SIGPROF", 0), getattr(signal, "SIGALRM", 0)):
        return PhotoError("This photo takes too long to open: save it anew as JPEG and try again.")
    if -status == getattr(signal, "SIGKILL", 0):  # by the system
        return PhotoError("The machine ran short of memory: try this photo again in a moment.")
    return PhotoError("This photo is damaged so that it cannot be opened: save it anew as JPEG.")
