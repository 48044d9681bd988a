"""A process that decodes files for photos.py: `python -m streamlit_app.inference.decoding`.

Decoders are C, and some file will crash each of them. Here that ends this process alone, as do a
file that wants MOST_MEMORY or works for MOST_SECONDS.
"""

import base64
import contextlib
import faulthandler
import io
import json
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from typing import IO

from PIL import Image

from plumage.photos import PhotoError, read_photo
from streamlit_app.inference.photos import LENGTH, READY

MOST_MEMORY = 300 * 2**20  # bytes, of all that is not a file's
MOST_SECONDS = 2.0  # of a processor
MOST_SECONDS_WAITED = 20.0  # by the clock, which others' work makes longer


def thumbnail(photo: Image.Image) -> str:
    """The photo as a small JPEG in an address that needs no server."""
    small, file = photo.copy(), io.BytesIO()
    small.thumbnail((96, 96))
    small.save(file, "JPEG", quality=75)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def limit_memory(most: int | None) -> None:
    """Have this process be refused data beyond so many bytes; None: have it get what there is."""
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows has no such limit
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (hard if most is None else most, hard))


@contextlib.contextmanager
def limited_time() -> Iterator[None]:
    """Have the system end this process where the block takes too long, even inside a decoder."""
    if not hasattr(signal, "setitimer"):  # Windows
        faulthandler.dump_traceback_later(MOST_SECONDS_WAITED, exit=True)
        yield
        faulthandler.cancel_dump_traceback_later()
        return
    clocks = {signal.ITIMER_PROF: MOST_SECONDS, signal.ITIMER_REAL: MOST_SECONDS_WAITED}
    for clock, seconds in clocks.items():
        signal.setitimer(clock, seconds)
    yield
    for clock in clocks:
        signal.setitimer(clock, 0)


def files(requests: IO[bytes]) -> Iterator[bytes]:
    """Each file that is sent, until there are no more or one without a byte comes."""
    while header := requests.read(LENGTH.size):
        (length,) = LENGTH.unpack(header)
        if not length:
            return
        yield requests.read(length)


def _answer(data: bytes) -> tuple[dict[str, object], bytes]:
    """What is said of a file, and its photo's pixels."""
    try:
        photo = read_photo(data)
        return {"size": photo.size}, photo.tobytes()
    except PhotoError as error:
        return {"fault": str(error)}, b""


def serve(requests: IO[bytes], responses: IO[bytes]) -> None:
    """Decode files until there are no more; see `photos.Decoder.ask`."""
    limit_memory(MOST_MEMORY)
    for data in files(requests):
        with limited_time():
            said, pixels = _answer(data)
        responses.write(json.dumps(said).encode() + b"\n")
        responses.write(pixels)
        responses.flush()


def main(serve: Callable[[IO[bytes], IO[bytes]], None] = serve) -> None:
    """Serve the process that started this one, for as long as that lives."""
    warnings.simplefilter("ignore")  # what matters of them is answered
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C ends that one, which ends this
    with contextlib.suppress(ImportError, OSError, ValueError):  # Windows keeps no core
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Whatever a decoder prints is no answer.
    responses = os.fdopen(os.dup(1), "wb", 2**16)
    os.dup2(2, 1)
    with contextlib.suppress(BrokenPipeError):
        responses.write(READY)
        responses.flush()
        serve(sys.stdin.buffer, responses)


if __name__ == "__main__":
    main()
