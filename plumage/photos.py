"""A photo's file to upright sRGB pixels: the one reader of trainer, audit, evaluation and app."""

import contextlib
import io
import re
import warnings
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

import pillow_heif

# All readers are imported, or Pillow would import those of every format at the first photo.
from PIL import (
    AvifImagePlugin,
    Image,
    ImageFile,
    Jpeg2KImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from plumage.colours import (
    HDR_CURVES,
    coded_primaries,
    eight_bit,
    from_primaries,
    on_white,
    to_srgb,
)
from plumage.metadata import capture_date, orientation

# Pillow's names; HEIC is read by pillow-heif.
FORMATS = (
    "JPEG",
    "PNG",
    WebPImagePlugin.WebPImageFile.format,
    AvifImagePlugin.AvifImageFile.format,
    TiffImagePlugin.TiffImageFile.format,
    Jpeg2KImagePlugin.Jpeg2KImageFile.format,
    "GIF",
    "BMP",
    "PPM",
)
READER = 4  # raise it where the pixels of any photo change: kept copies are decoded again
MIN_SIDE = 32
MAX_SIDE = 1024  # as large as a page shows it; longer photos are shrunk to this
MAX_ASPECT = MAX_SIDE // MIN_SIDE  # times as long as wide
# Limits of an uploaded photo: a phone's pass, a decompression bomb does not. A long JPEG is
# shrunk while it is decoded (3 bytes a pixel at most); a WebP takes 16 bytes a pixel, an AVIF 11, a
# PNG 10.
MAX_BYTES = 50 * 2**20  # what a page takes, too
MAX_PIXELS = 50_000_000
MAX_PIXELS_DECODED = 5_000_000
MAX_PIXELS_HEIC = 25_000_000  # a phone has up to 24.5; each takes 5 bytes
MAX_PIXELS_PROGRESSIVE = 40_000_000  # of a JPEG that is held whole, with up to 6 bytes for each
TURNED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)  # orientations that swap width and height
# The filter of Pillow's warnings: of broken EXIF, of many pixels.
PILLOW_WARNINGS = ("ignore", None, Warning, re.compile(r"PIL\."), 0)

# Many photos are read at once; one thread a file also keeps its memory within what is said above.
AvifImagePlugin.DEFAULT_MAX_THREADS = 1
pillow_heif.options.DECODE_THREADS = 1


class PhotoError(ValueError):
    """A file that cannot be read as a photo; the message says why and what to do, in a sentence."""


def read_photo(
    data: bytes, *, limited: bool = True, max_side: int | None = MAX_SIDE
) -> Image.Image:
    """Decode a photo of one of FORMATS or a HEIC, told by its bytes.

    limited: refuse a photo that is too small to tell a bird or exceeds the limits of an upload.
    max_side: in pixels; a longer photo is shrunk to it. None: none is.

    Returns: an RGB photo, its first frame, turned upright by its EXIF tag, converted to sRGB by its
        embedded profile or the primaries it names, transparency laid on white. 16-bit and float
        photos are scaled to 8 bits. `info` holds nothing but `taken`, the capture date in ISO 8601,
        empty where there is none.
    Raises: PhotoError.
    """
    check_size(data, limited)
    with _faults_in_words():
        file = _opened(data)
        size = file.size
        if isinstance(file, Image.Image) and max_side and max_side < max(size):
            # A JPEG is decoded at 1/2, 1/4 or 1/8; other formats take no notice.
            scale = max_side / max(size)
            file.draft(None, (max(1, int(size[0] * scale)), max(1, int(size[1] * scale))))
        if limited:
            _check_limits(file, size)
        profile: bytes | None = file.info.get("icc_profile")  # type: ignore[assignment]
        whole = file if isinstance(file, Image.Image) else _heic(file, max_side)
        photo = eight_bit(whole)
        if max_side:
            photo.thumbnail((max_side, max_side), Image.Resampling.BICUBIC)
        photo.load()
        photo = to_srgb(photo, profile)
        if not profile:
            photo = from_primaries(photo, _primaries(file, data))
        photo = on_white(photo)
        # Decoding has turned a HEIC and a TIFF.
        turned = TURNED.get(orientation(whole)) if isinstance(file, Image.Image) else None
        if turned is not None:
            photo = photo.transpose(turned)
        elif isinstance(photo, ImageFile.ImageFile):
            photo = photo.copy()  # lets go of the file
        photo.info = {"taken": capture_date(whole)}
        return photo


class Header(NamedTuple):
    """A photo file's header.

    Attributes:
        format: Pillow's name for it.
        size: width and height in pixels, upright.
        tables: a JPEG's quantisation tables, one after the other; else empty.
    """

    format: str
    size: tuple[int, int]
    tables: tuple[int, ...]


def read_header(data: bytes) -> Header:
    """Read a photo's header; raises PhotoError."""
    check_size(data, limited=False)
    with _faults_in_words():
        file = _opened(data)
        if not isinstance(file, Image.Image):
            return Header("HEIF", file.size, ())
        width, height = file.size
        # Pillow gives a TIFF's size upright.
        if file.format != "TIFF" and orientation(file) in SIDEWAYS:
            width, height = height, width
        tables = getattr(file, "quantization", None) or {}
        values = tuple(chain.from_iterable(tables[key] for key in sorted(tables)))
        return Header(str(file.format), (width, height), values)


def shrunk(photo: Image.Image, side: int) -> Image.Image:
    """A copy at most `side` pixels long."""
    small = photo.copy()
    small.thumbnail((side, side), Image.Resampling.BICUBIC)
    return small


def resized(photo: Image.Image, side: int) -> Image.Image:
    """The photo as a network sees it, a square of `side` pixels."""
    # Training and app use the same filter: another one costs 1 to 3 points of accuracy.
    return photo.resize((side, side), Image.Resampling.BICUBIC)


def check_size(data: bytes, limited: bool = True) -> None:
    """Raise PhotoError where a file is not worth opening."""
    if not data:
        raise PhotoError("This file is empty: choose another photo.")
    if limited and len(data) > MAX_BYTES:
        raise PhotoError(
            f"This file has more than {MAX_BYTES // 2**20} MB: save it as a smaller JPEG."
        )


@contextlib.contextmanager
def _faults_in_words() -> Iterator[None]:
    """Turn whatever decoders raise into PhotoError: a damaged file makes them raise anything.

    Their warnings are ignored, since nobody can act on them.
    """
    # catch_warnings would change the filters of other threads.
    if PILLOW_WARNINGS not in warnings.filters:
        warnings.filterwarnings("ignore", module=r"PIL\.")
    try:
        yield
    except PhotoError:
        raise
    except (MemoryError, Image.DecompressionBombError) as error:
        raise _too_large() from error
    except Exception as error:
        raise PhotoError(
            "This photo is damaged or was cut short: copy or download it again and retry."
        ) from error


def _opened(data: bytes) -> Image.Image | pillow_heif.HeifImage:
    """A photo whose header has been read."""
    try:
        # AVIF and HEIC are one container: a brand tells the codec, and `mif1` is a brand of both.
        brands = data[8 : int.from_bytes(data[:4], "big")][:256] if data[4:8] == b"ftyp" else b""
        is_heic = brands and b"avif" not in brands and b"avis" not in brands
        opened = _opened_heic if is_heic else _opened_by_pillow
        try:
            return opened(data)
        except (MemoryError, Image.DecompressionBombError):
            raise
        except Exception:
            return opened(_bare(data))
    except (MemoryError, Image.DecompressionBombError):
        raise
    except Exception as error:
        raise PhotoError(
            "This file is not a photo that can be read, or a damaged one: "
            "save it as JPEG and try again."
        ) from error


def _opened_heic(data: bytes) -> pillow_heif.HeifImage:
    file = pillow_heif.open_heif(data)
    return file[file.primary_index]


def _opened_by_pillow(data: bytes) -> Image.Image:
    return Image.open(io.BytesIO(data), formats=FORMATS)


def _bare(data: bytes) -> bytes:
    """A PNG, AVIF or HEIC without those extras for whose faults it is refused."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data.replace(b"Exif", b"free").replace(b"colrnclx", b"freenclx")
    kept, at = [data[:8]], 8
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if kind in (b"tRNS", b"eXIf") or kind[:1].isupper():  # a capital: it cannot be done without
            kept.append(data[at:end])
        at = end
    return b"".join(kept)


def _check_limits(file: Image.Image | pillow_heif.HeifImage, size: tuple[int, int]) -> None:
    """Raise PhotoError where an upload's header exceeds the limits.

    size: of the whole photo, which the file may be about to shrink.
    """
    width, height = size
    if min(size) < MIN_SIDE:
        raise PhotoError(
            f"This photo is {width} x {height} pixels, too small to tell a bird: "
            f"choose one of at least {MIN_SIDE} x {MIN_SIDE}."
        )
    if max(size) > MAX_ASPECT * min(size):
        raise PhotoError(
            f"This photo is {width} x {height} pixels, too narrow to tell a bird: "
            "crop it around the bird."
        )
    if not isinstance(file, Image.Image):
        most, decoded = MAX_PIXELS_HEIC, 0
    else:
        most = MAX_PIXELS_PROGRESSIVE if "progressive" in file.info else MAX_PIXELS
        decoded = file.width * file.height
    if width * height > most or decoded > MAX_PIXELS_DECODED:
        raise _too_large()


def _primaries(file: Image.Image | pillow_heif.HeifImage, data: bytes) -> int:
    """The primaries (ITU-T H.273) of a photo without a profile; 0 where it names none."""
    if isinstance(file, Image.Image):
        return coded_primaries(data) if file.format in ("PNG", "AVIF") else 0
    coded: dict[str, int] = file.info.get("nclx_profile") or {}  # type: ignore[assignment]
    hdr = coded.get("transfer_characteristics") in HDR_CURVES
    return 0 if hdr else coded.get("color_primaries", 0)


def _too_large() -> PhotoError:
    return PhotoError("This photo has too many pixels: make it smaller or save it as JPEG.")


def _heic(file: pillow_heif.HeifImage, max_side: int | None) -> Image.Image:
    """A HEIC decoded and shrunk by a whole number, band by band: Pillow's own copy would be large.

    Decoding turns it upright. It keeps its EXIF and XMP.
    """
    pixels, stride = file.data, file.stride
    width, height = file.size
    factor = max(1, max(width, height) // max_side) if max_side else 1
    whole = Image.new(file.mode, (-(-width // factor), -(-height // factor)))
    rows = 64 * factor
    for top in range(0, height, rows):
        count = min(rows, height - top)
        band = pixels[top * stride : (top + count) * stride]
        image = Image.frombuffer(file.mode, (width, count), band, "raw", file.mode, stride, 1)
        whole.paste(image.reduce(factor), (0, top // factor))
    whole.info = {key: file.info[key] for key in ("exif", "xmp") if file.info.get(key)}
    return whole
