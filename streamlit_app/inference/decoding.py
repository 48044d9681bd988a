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
from datetime import datetime
from typing import IO

import pillow_heif
from PIL import AvifImagePlugin, ExifTags, Image, ImageOps

from streamlit_app.inference.photos import LARGEST_SIDE, LENGTH, READY, SMALLEST_SIDE, PhotoError

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")  # Pillow's names; HEIC is read by pillow-heif
# What a photo may cost: a phone's pass, a decompression bomb does not. A long JPEG is shrunk while
# it is decoded (3 bytes a pixel at most); a WebP takes 16 bytes a pixel, an AVIF 11, a PNG 10.
MOST_PIXELS = 50_000_000
MOST_PIXELS_DECODED = 5_000_000
MOST_PIXELS_HEIC = 25_000_000  # a phone has up to 24.5; each takes 5 bytes
MOST_PIXELS_PROGRESSIVE = 40_000_000  # of a JPEG that is held whole, with up to 6 bytes for each
MOST_SIDES = LARGEST_SIDE // SMALLEST_SIDE  # how many times as long as wide
MOST_MEMORY = 300 * 2**20  # bytes, of all that is not a file's
MOST_SECONDS = 2.0  # of a processor
MOST_SECONDS_WAITED = 20.0  # by the clock, which others' work makes longer

# Visitors share the cores; one thread a file also keeps its memory within what is measured above.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
pillow_heif.options.DECODE_THREADS = 1


def decode(data: bytes) -> Image.Image:
    """What `photos.read_photo` returns and raises, in this process and without bounds."""
    # A damaged file makes Pillow raise nearly anything, so nearly anything is caught.
    try:
        photo = _opened(data)
        _judge(photo)
        return _upright(_rgb(_reduced(photo)))
    except PhotoError:
        raise
    except (MemoryError, Image.DecompressionBombError) as error:
        raise _too_large() from error
    except Exception as error:
        raise PhotoError(
            "This photo is damaged or was cut short: copy or download it again and retry."
        ) from error


def taken(photo: Image.Image) -> str:
    """When the camera says that the photo was taken, in ISO 8601; empty where it does not say."""
    with contextlib.suppress(Exception):  # a garbled tag says nothing
        exif = photo.getexif().get_ifd(ExifTags.IFD.Exif)
        moment = str(exif[ExifTags.Base.DateTimeOriginal]).strip("\0 ")
        zone = str(exif.get(ExifTags.Base.OffsetTimeOriginal, "")).strip("\0 ")
        with contextlib.suppress(ValueError):
            return datetime.strptime(moment + zone, "%Y:%m:%d %H:%M:%S%z").isoformat()
        return datetime.strptime(moment, "%Y:%m:%d %H:%M:%S").isoformat()
    return ""


def thumbnail(photo: Image.Image) -> str:
    """The photo as a small JPEG in an address that needs no server."""
    small, file = photo.copy(), io.BytesIO()
    small.thumbnail((96, 96))
    small.save(file, "JPEG", quality=75)
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def _opened(data: bytes) -> Image.Image | pillow_heif.HeifImage:
    """A photo of which the header has been read."""
    try:
        if pillow_heif.get_file_mimetype(data) in ("image/heic", "image/heif"):
            file = pillow_heif.open_heif(data)
            return file[file.primary_index]
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (MemoryError, Image.DecompressionBombError):
        raise
    except Exception as error:
        raise PhotoError(
            "This file is not a JPEG, PNG, WebP, HEIC or AVIF photo, or a damaged one: "
            "save it as one of these and try again."
        ) from error


def _judge(photo: Image.Image | pillow_heif.HeifImage) -> None:
    """Judge a photo by its header, and have a long one shrunk, before its pixels are decoded."""
    width, height = photo.size
    if min(width, height) < SMALLEST_SIDE:
        raise PhotoError(
            f"This photo is {width} x {height} pixels, too small to tell a bird: "
            f"choose one of at least {SMALLEST_SIDE} x {SMALLEST_SIDE}."
        )
    if max(width, height) > MOST_SIDES * min(width, height):
        raise PhotoError(
            f"This photo is {width} x {height} pixels, too narrow to tell a bird: "
            "crop it around the bird."
        )
    if isinstance(photo, pillow_heif.HeifImage):
        most, decoded = MOST_PIXELS_HEIC, 0
    else:
        most = MOST_PIXELS_PROGRESSIVE if "progressive" in photo.info else MOST_PIXELS
        scale = LARGEST_SIDE / max(width, height)
        if scale < 1:  # a JPEG is decoded at 1/2, 1/4 or 1/8; other formats take no notice
            photo.draft(None, (int(width * scale), int(height * scale)))
        decoded = photo.width * photo.height
    if width * height > most or decoded > MOST_PIXELS_DECODED:
        raise _too_large()


def _too_large() -> PhotoError:
    return PhotoError("This photo has too many pixels: make it smaller or save it as JPEG.")


def _reduced(photo: Image.Image | pillow_heif.HeifImage) -> Image.Image:
    """A HEIC decoded and shrunk by a whole number, band by band: Pillow's own copy would be large.

    Decoding turns it upright. Other photos are left as they are.
    """
    if isinstance(photo, Image.Image):
        return photo
    pixels, stride = photo.data, photo.stride
    width, height = photo.size
    factor = max(1, max(width, height) // LARGEST_SIDE)
    whole = Image.new(photo.mode, (-(-width // factor), -(-height // factor)))
    rows = 64 * factor
    for top in range(0, height, rows):
        count = min(rows, height - top)
        band = pixels[top * stride : (top + count) * stride]
        image = Image.frombuffer(photo.mode, (width, count), band, "raw", photo.mode, stride, 1)
        whole.paste(image.reduce(factor), (0, top // factor))
    return whole


def _rgb(photo: Image.Image) -> Image.Image:
    if photo.mode.startswith("I"):  # 16 bits a pixel, of which convert() would clip all over 255
        photo = photo.point(lambda value: value / 257).convert("L")
    mode = "RGBA" if photo.has_transparency_data else "RGB"
    if photo.mode != mode:
        photo = photo.convert(mode)
    photo.thumbnail((LARGEST_SIDE, LARGEST_SIDE), Image.Resampling.BICUBIC)
    photo.load()
    if mode == "RGBA":
        white = Image.new("RGBA", photo.size, "white")
        white.info = photo.info  # keeps the EXIF tag
        photo = Image.alpha_composite(white, photo).convert("RGB")
    return photo


def _upright(photo: Image.Image) -> Image.Image:
    with contextlib.suppress(Exception):  # a garbled tag is no reason to refuse the photo
        return ImageOps.exif_transpose(photo)
    return photo


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
        photo = decode(data)
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
