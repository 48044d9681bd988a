"""Uploaded bytes to an upright RGB photo, or one sentence saying what to do about them."""

import contextlib
import ctypes
import io
import threading

import pillow_heif
from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP", "AVIF")  # Pillow's names; HEIC is read by pillow-heif
SUFFIXES = ("jpg", "jpeg", "png", "webp", "heic", "heif", "avif")
SMALLEST_SIDE = 32
LARGEST_SIDE = 1024  # as large as a page shows it; longer photos are shrunk to this
# What a photo may cost: a phone's pass, a decompression bomb does not. A long JPEG is shrunk while
# it is decoded (3 bytes a pixel at most); a WebP takes 16 bytes a pixel, an AVIF 11, a PNG 10.
MOST_PIXELS = 50_000_000
MOST_PIXELS_DECODED = 5_000_000  # keeps the whole app under 400 MB
# A phone's HEIC has up to 24.5 million pixels and takes 5 bytes for each, one file at a time.
MOST_PIXELS_HEIC = 25_000_000
_HEIC_TURN = threading.Lock()

# Have glibc return a decoded photo's memory at once, by way of M_MMAP_THRESHOLD. Left to itself it
# keeps a share for each thread: 400 MB after a dozen phone photos instead of 280.
with contextlib.suppress(AttributeError, OSError, TypeError):  # another libc
    ctypes.CDLL(None).mallopt(-3, 2**20)


class PhotoError(ValueError):
    """What is wrong with an uploaded file and what to do about it, in one sentence."""


def read_photo(data: bytes) -> Image.Image:
    """Decode a JPEG, PNG, WebP, HEIC or AVIF file.

    Returns: an RGB photo, turned upright by its EXIF tag, transparency laid on white, the first
        frame where there are several, at most LARGEST_SIDE pixels long.
    Raises: PhotoError when the file is no such photo, damaged, too small or too large.
    """
    if not data:
        raise PhotoError("This file is empty: choose another photo.")
    # A damaged file makes Pillow raise nearly anything, so nearly anything is caught.
    try:
        heic = _heic(data)
        photo = heic or Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise _too_large() from error
    except Exception as error:
        raise PhotoError(
            "This file is not a JPEG, PNG, WebP, HEIC or AVIF photo, or a damaged one: "
            "save it as one of these and try again."
        ) from error
    _prepare(photo)
    try:
        return _upright(_rgb(_decoded(photo)))
    except Exception as error:
        raise PhotoError(
            "This photo is damaged or was cut short: copy or download it again and retry."
        ) from error


def shrunk(photo: Image.Image, side: int) -> Image.Image:
    """A copy at most `side` pixels long."""
    small = photo.copy()
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    return small


def _heic(data: bytes) -> pillow_heif.HeifImage | None:
    """The main image of a HEIC file, not yet decoded; None where the file is of another kind."""
    if pillow_heif.get_file_mimetype(data) not in ("image/heic", "image/heif"):
        return None
    file = pillow_heif.open_heif(data)
    return file[file.primary_index]


def _prepare(photo: Image.Image | pillow_heif.HeifImage) -> None:
    """Judge a photo by its header, and have a long one shrunk, before its pixels are decoded."""
    width, height = photo.size
    if min(width, height) < SMALLEST_SIDE:
        raise PhotoError(
            f"This photo is {width} x {height} pixels, too small to tell a bird: "
            f"choose one of at least {SMALLEST_SIDE} x {SMALLEST_SIDE}."
        )
    if isinstance(photo, pillow_heif.HeifImage):
        most, decoded = MOST_PIXELS_HEIC, 0
    else:
        scale = LARGEST_SIDE / max(width, height)
        if scale < 1:  # a JPEG is decoded at 1/2, 1/4 or 1/8; other formats take no notice
            photo.draft(None, (int(width * scale), int(height * scale)))
        most, decoded = MOST_PIXELS, photo.width * photo.height
    if width * height > most or decoded > MOST_PIXELS_DECODED:
        raise _too_large()


def _too_large() -> PhotoError:
    return PhotoError("This photo has too many pixels: make it smaller or save it as JPEG.")


def _decoded(photo: Image.Image | pillow_heif.HeifImage) -> Image.Image:
    """A HEIC decoded and shrunk by a whole number, band by band: Pillow's own copy would be large.

    Decoding turns it upright. Other photos are left as they are.
    """
    if isinstance(photo, Image.Image):
        return photo
    with _HEIC_TURN:
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
