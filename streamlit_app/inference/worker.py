"""The worker process, `python -m streamlit_app.inference.worker`; protocol.py says what it serves.

Decoders are C, and some file crashes each of them. Here that ends this process alone, as does a
file that takes MAX_MEMORY, MAX_CPU_SECONDS or MAX_SECONDS.
"""

import base64
import contextlib
import faulthandler
import io
import os
import signal
import sys
import warnings
from collections import deque
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import IO, Any

from PIL import Image

from plumage.photos import PhotoError, read_photo
from streamlit_app.inference.limits import return_memory_at_once
from streamlit_app.inference.protocol import (
    READY,
    Decoded,
    read_frame,
    read_message,
    write_frame,
    write_message,
)

MAX_MEMORY = 300 * 2**20  # bytes that one file may take
MAX_CPU_SECONDS = 2.0
MAX_SECONDS = 20.0  # by the clock, which other work on the machine makes longer
PHOTOS_PER_CALL = 4  # of the network: enough for onnxruntime's best speed, few in memory


@contextlib.contextmanager
def limited() -> Iterator[None]:
    """Limit the block's memory and time; the system ends this process where it exceeds them."""
    with limited_memory(), limited_time(), silent():
        yield


@contextlib.contextmanager
def limited_memory() -> Iterator[None]:
    """Let the block take MAX_MEMORY at most, besides the memory that this process holds."""
    with contextlib.suppress(OSError):  # only Linux says how much that is
        pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[5])
        _limit_data(pages * os.sysconf("SC_PAGE_SIZE") + MAX_MEMORY)
    try:
        yield
    finally:
        _limit_data(None)


def _limit_data(most: int | None) -> None:
    """Refuse this process data beyond that many bytes; None: as much as there is."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard if most is None else most, hard))


@contextlib.contextmanager
def limited_time() -> Iterator[None]:
    """Have the system end this process where the block takes too long, even inside a decoder."""
    if not hasattr(signal, "setitimer"):  # Windows
        faulthandler.dump_traceback_later(MAX_SECONDS, exit=True)
        try:
            yield
        finally:
            faulthandler.cancel_dump_traceback_later()
        return
    timers = {signal.ITIMER_PROF: MAX_CPU_SECONDS, signal.ITIMER_REAL: MAX_SECONDS}
    for timer, seconds in timers.items():
        signal.setitimer(timer, seconds)
    try:
        yield
    finally:
        for timer in timers:
            signal.setitimer(timer, 0)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Keep what C libraries print about a file, such as libtiff's warnings, off the terminal."""
    terminal = os.dup(2)
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


def thumbnail(photo: Image.Image) -> str:
    """The photo as a small JPEG in a data URL."""
    small, file = photo.copy(), io.BytesIO()
    small.thumbnail((96, 96))
    small.save(file, "JPEG", quality=75)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def decode_file(data: bytes, with_thumbnail: bool) -> Decoded:
    """Decode a file of a table."""
    try:
        with limited():
            photo = read_photo(data)
            fields = {"taken": photo.info["taken"]}
            if with_thumbnail:
                fields["thumbnail"] = thumbnail(photo)
            return Decoded(fields, photo)
    except PhotoError as error:
        return Decoded({"error": str(error)}, None)


def files(requests: IO[bytes]) -> Iterator[bytes]:
    """The files of a request."""
    while data := read_frame(requests):
        yield data


def serve_decode(data: bytes, responses: IO[bytes]) -> None:
    """Decode one file and write its photo."""
    try:
        with limited():
            photo = read_photo(data)
            pixels = photo.tobytes()
    except PhotoError as error:
        write_message(responses, {"fault": str(error)})
    else:
        write_message(responses, {"size": photo.size})
        write_frame(responses, pixels)


def serve_classify(request: dict[str, Any], data: Iterator[bytes], responses: IO[bytes]) -> None:
    """Decode and classify files, PHOTOS_PER_CALL at once, and write their rows."""
    # Imported here, since onnxruntime is large: a worker that only decodes does without.
    from streamlit_app.inference.rows import CheckpointError, classify_batch

    checkpoint, one_look = Path(request["checkpoint"]), request["one_look"]
    rows: list[dict[str, Any]] = []
    try:
        while batch := [
            decode_file(file, request["thumbnails"]) for file in islice(data, PHOTOS_PER_CALL)
        ]:
            rows += classify_batch(checkpoint, one_look, batch)
    except CheckpointError as error:
        deque(data, maxlen=0)  # the files left are no part of the next request
        write_message(responses, {"unusable": str(error)})
    else:
        write_message(responses, {"rows": rows})


def serve(requests: IO[bytes], responses: IO[bytes]) -> None:
    """Serve requests until the app has gone."""
    with contextlib.suppress(EOFError):
        while True:
            request = read_message(requests)
            data = files(requests)
            if request["op"] == "decode":
                (file,) = data
                serve_decode(file, responses)
            else:
                serve_classify(request, data, responses)
            responses.flush()


def main() -> None:
    """Serve the process that started this one, for as long as that lives."""
    return_memory_at_once()
    warnings.simplefilter("ignore")  # a decoder's warnings concern nobody
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends the app, which ends this process
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows keeps no core
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # What a decoder prints is no response.
    responses = os.fdopen(os.dup(1), "wb", 2**16)
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):
        responses.write(READY)
        responses.flush()
        serve(sys.stdin.buffer, responses)


if __name__ == "__main__":
    main()
