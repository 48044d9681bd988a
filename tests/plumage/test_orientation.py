"""EXIF that cameras and programs have broken: what is whole of it counts, the rest is ignored."""

import random
import struct
import warnings
from concurrent.futures import ThreadPoolExecutor

import pillow_heif
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from plumage.photos import read_header, read_photo
from tests.conftest import draw_bird, encode
from tests.streamlit_app.files import SIGNATURE, png_chunk

pillow_heif.register_heif_opener()  # lets the tests write HEIC, which Pillow calls HEIF
UPRIGHT, SIDEWAYS = (96, 64), (64, 96)


def entry(tag: int, kind: int, count: int, value: bytes) -> bytes:
    return struct.pack("<HHI", tag, kind, count) + value


def tiff(*entries: bytes, extra: bytes = b"", following: bytes = bytes(4)) -> bytes:
    """EXIF of these entries, little endian."""
    count = struct.pack("<H", len(entries))
    return b"Exif\0\0II*\0\x08\0\0\0" + count + b"".join(entries) + following + extra


def number(value: int) -> bytes:
    return struct.pack("<I", value)


TURNED = entry(0x0112, 3, 1, struct.pack("<HH", 6, 0))
# What is broken, and whether the orientation is whole.
BROKEN = {
    "a zero rational": (tiff(TURNED, entry(0x011A, 5, 1, number(38)), extra=bytes(8)), True),
    "a directory nowhere": (tiff(TURNED, entry(0x8769, 4, 1, number(0x7FFFFFFF))), True),
    "a directory in itself": (tiff(TURNED, entry(0x8769, 4, 1, number(8))), True),
    "a directory of type 13": (tiff(TURNED, entry(0x8769, 13, 1, number(8))), True),
    "a directory of text": (tiff(TURNED, entry(0x8769, 2, 4, b"abc\0")), True),
    "a directory after itself": (tiff(TURNED, following=number(8)), True),
    "a place of text": (tiff(TURNED, entry(0x8825, 2, 4, b"abcd")), True),
    "two orientations": (tiff(entry(0x0112, 3, 2, struct.pack("<HH", 6, 6))), True),
    "an orientation of text": (tiff(entry(0x0112, 2, 2, b"6\0\0\0")), False),
    "an orientation of bytes": (tiff(entry(0x0112, 7, 1, b"\6\0\0\0")), False),
    "an orientation by zero": (
        tiff(entry(0x0112, 5, 1, number(26)), extra=struct.pack("<II", 6, 0)),
        False,
    ),
    "orientation 0": (tiff(entry(0x0112, 3, 1, number(0))), False),
    "orientation 9": (tiff(entry(0x0112, 3, 1, number(9))), False),
    "an orientation nowhere": (tiff(entry(0x0112, 5, 1, number(0x7FFFFFFF))), False),
    "an orientation of no type": (tiff(entry(0x0112, 0, 1, number(6))), False),
    "a header of garbage": (b"Exif\0\0\xff\xff\x01\x12\0garbage", False),
    "half a header": (b"Exif\0\0MM\0*", False),
    "a header alone": (b"Exif\0\0", False),
    "text": (b"b'Exif\\x00\\x00II*\\x00'", False),
    "a program's name": (tiff(TURNED, entry(0x0131, 2, 4, b"\xff\xfe\xfd\0")), True),
    "a version of numbers": (tiff(TURNED, entry(0x9000, 3, 1, struct.pack("<HH", 2, 0))), True),
    "a huge note": (tiff(TURNED, entry(0x927C, 7, 0x7FFFFFF, number(8))), True),
    "a signed number": (tiff(TURNED, entry(0x9204, 5, 1, struct.pack("<i", -1))), True),
    "a number of no type": (tiff(TURNED, entry(0x9204, 99, 1, number(1))), True),
    "a directory cut short": (tiff(TURNED)[:-9], False),
    "a count too high": (tiff(TURNED).replace(b"\x01\0\x12\x01", b"\xff\0\x12\x01", 1), True),
    "a date of numbers": (tiff(TURNED, entry(0x0132, 3, 1, number(7))), True),
}


def written(format: str, exif: bytes) -> bytes:
    """A photo with that EXIF; where Pillow mends what it writes, put in the place of other EXIF."""
    if format in ("JPEG", "WEBP"):
        return encode(draw_bird(), format, exif=exif)
    if format == "PNG":
        data = encode(draw_bird(), "PNG")
        at = data.index(b"IDAT") - 4
        return data[:at] + png_chunk(b"eXIf", exif.removeprefix(b"Exif\0\0")) + data[at:]
    other = Image.Exif()
    other[0x010F] = "x" * max(8, len(exif))
    whole = other.tobytes().removeprefix(b"Exif\0\0")
    data = encode(draw_bird(), format, exif=b"Exif\0\0" + whole)
    at = data.index(whole)
    broken = exif.removeprefix(b"Exif\0\0").ljust(len(whole), b"\0")
    return data[:at] + broken + data[at + len(whole) :]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
@pytest.mark.parametrize("fault", BROKEN)
def test_a_photo_is_turned_by_a_whole_tag_whatever_else_is_broken(fault: str, format: str) -> None:
    exif, turned = BROKEN[fault]
    data = written(format, exif)
    expected = SIDEWAYS if turned else UPRIGHT
    assert read_photo(data).size == expected
    assert read_header(data).size == expected


# Their containers say how a photo is turned; EXIF does not count.
@pytest.mark.parametrize("format", ["AVIF", "HEIF"])
@pytest.mark.parametrize("fault", BROKEN)
def test_broken_exif_does_not_keep_a_heic_or_avif_from_being_read(fault: str, format: str) -> None:
    data = written(format, BROKEN[fault][0])
    assert read_photo(data).size == read_header(data).size == UPRIGHT


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_xmp_that_is_no_utf_8_is_ignored(format: str) -> None:
    xmp = b'<x:xmpmeta dc:title="\xa8\xff"> \xa8\xff </x:xmpmeta>'
    exif = tiff(TURNED)
    if format == "PNG":
        text = PngInfo()
        text.add(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp)
        data = encode(draw_bird(), format, pnginfo=text, exif=exif)
    else:
        data = encode(draw_bird(), format, xmp=xmp, exif=exif)
    assert read_photo(data).size == read_header(data).size == SIDEWAYS


def test_exif_after_a_pngs_pixels_or_as_its_text_turns_it_too() -> None:
    data, exif = encode(draw_bird(), "PNG"), tiff(TURNED)
    end = data.index(b"IEND") - 4
    late = data[:end] + png_chunk(b"eXIf", exif[6:]) + data[end:]
    assert late.startswith(SIGNATURE)
    assert read_photo(late).size == read_header(late).size == SIDEWAYS
    text = PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(exif):8}\n{exif.hex()}\n")
    assert read_photo(encode(draw_bird(), "PNG", pnginfo=text)).size == SIDEWAYS
    for broken in ("\nexif\n      12\nno hexadecimal\n", "", "\n\n\n"):
        text = PngInfo()
        text.add_text("Raw profile type exif", broken)
        assert read_photo(encode(draw_bird(), "PNG", pnginfo=text)).size == UPRIGHT


def drawn_by_lot(lot: random.Random) -> bytes:
    """EXIF with anything in it."""
    known = (0x0112, 0x8769, 0x8825, 0xA005, 0x9003, 0x0132, 0x011A, 0x0128, 0x0131, 0x927C, 0x02BC)
    entries = [TURNED] * lot.randint(0, 1)
    for _ in range(lot.randint(0, 6)):
        tag = lot.choice((*known, lot.randrange(65536)))
        count = lot.choice((0, 1, 2, 3, 4, 8, 20, 1000, 0x7FFFFFFF, 0xFFFFFFFF))
        value = lot.choice((number(8), number(lot.randrange(300)), b"\xff" * 4, b"abcd", bytes(4)))
        entries.append(entry(tag, lot.randrange(20), count, value))
    lot.shuffle(entries)
    following = lot.choice((bytes(4), number(8), b"\xff" * 4))
    exif = bytearray(tiff(*entries, extra=bytes(lot.randrange(60)), following=following))
    match lot.randrange(8):
        case 0:
            del exif[lot.randrange(len(exif)) :]
        case 1:
            exif[lot.randrange(6, len(exif))] = lot.randrange(256)
        case 2:
            exif[6:] = lot.randbytes(lot.randrange(60))
    return bytes(exif)


def test_whatever_stands_in_exif_a_photo_is_read_alike_in_every_format() -> None:
    lot = random.Random(0)
    for _ in range(200):
        exif, sizes = drawn_by_lot(lot), set()
        for format in ("JPEG", "PNG", "WEBP", "AVIF", "HEIF"):
            data = written(format, exif)
            size = read_photo(data).size
            assert read_header(data).size == size
            if format not in ("AVIF", "HEIF"):
                sizes.add(size)
        assert len(sizes) == 1, exif


def test_no_warning_of_a_decoder_reaches_anybody() -> None:
    exif = tiff(TURNED, entry(0x927C, 7, 0x7FFFFFF, number(8)))
    data = [written(format, exif) for format in ("JPEG", "PNG", "WEBP")]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(read_photo, data * 20))
            list(threads.map(read_header, data * 20))
    assert not caught
