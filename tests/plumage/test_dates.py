from itertools import product

import pillow_heif
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from plumage.metadata import parsed_date
from plumage.photos import read_photo
from tests.conftest import draw_bird, encode

pillow_heif.register_heif_opener()  # lets the tests write HEIC, which Pillow calls HEIF
FORMATS = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF")
ORIGINAL, DIGITIZED, CHANGED = 0x9003, 0x9004, 0x0132


def taken(data: bytes) -> str:
    return read_photo(data).info["taken"]


def dated(
    moment: str | bytes,
    format: str = "JPEG",
    *,
    tag: int = ORIGINAL,
    zone: str = "",
    orientation: int = 1,
) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    directory = exif if tag == CHANGED else exif.get_ifd(0x8769)
    directory[tag] = moment
    if zone:
        exif.get_ifd(0x8769)[{ORIGINAL: 0x9011, DIGITIZED: 0x9012, CHANGED: 0x9010}[tag]] = zone
    return encode(draw_bird(), format, exif=exif.tobytes())


@pytest.mark.parametrize(("format", "orientation"), [*product(FORMATS, (1, 6))])
@pytest.mark.parametrize("tag", [ORIGINAL, DIGITIZED, CHANGED])
def test_the_capture_date_is_found_in_every_format(format: str, orientation: int, tag: int) -> None:
    data = dated("2024:05:06 07:08:09", format, tag=tag, orientation=orientation)
    assert taken(data) == "2024-05-06T07:08:09"


@pytest.mark.parametrize("tag", [ORIGINAL, DIGITIZED, CHANGED])
def test_the_time_zone_is_kept_where_the_camera_noted_it(tag: int) -> None:
    data = dated("2024:05:06 07:08:09", tag=tag, zone="+05:30")
    assert taken(data) == "2024-05-06T07:08:09+05:30"
    data = dated("2024:05:06 07:08:09", tag=tag, zone="   :  ")
    assert taken(data) == "2024-05-06T07:08:09"


SPELLINGS = {
    "2021:05:03 24:11:12": "2021-05-03T00:11:12",
    "2021:05:03 10:11:12:345": "2021-05-03T10:11:12",
    "2021.05.03. 10:11:12": "2021-05-03T10:11:12",
    "2021-05-03_10:11:12": "2021-05-03T10:11:12",
    "2021:05:03 下午 10:11:12": "2021-05-03T22:11:12",
    "2021:05:03 上午10:11:12": "2021-05-03T10:11:12",
    "2021:05:03 오후 1:11:12": "2021-05-03T13:11:12",
    "2021:05:03 午後12:11:12": "2021-05-03T12:11:12",
    "2021:05:03 10:11:12": "2021-05-03T10:11:12",
    "2021-05-03T10:11:12": "2021-05-03T10:11:12",
    "2021-05-03 10:11:12": "2021-05-03T10:11:12",
    "2021/05/03 10:11": "2021-05-03T10:11:00",
    "2021.05.03 10.11.12": "2021-05-03T10:11:12",
    "2021:5:3 9:1:2": "2021-05-03T09:01:02",
    "2021: 5: 3  9: 1: 2": "2021-05-03T09:01:02",
    "2021:05:03 10:11:12.345": "2021-05-03T10:11:12",
    "2021:05:03 10:11:12,3": "2021-05-03T10:11:12",
    "2021-05-03T10:11:12Z": "2021-05-03T10:11:12+00:00",
    "2021:05:03 10:11:12+05:30": "2021-05-03T10:11:12+05:30",
    "2021-05-03T10:11:12.5-0800": "2021-05-03T10:11:12-08:00",
    "2021-05-03T10:11+05:30": "2021-05-03T10:11:00+05:30",
    "2021:05:03 10:11:12\0": "2021-05-03T10:11:12",
    "2021:05:03 10:11:12  \0\0": "2021-05-03T10:11:12",
    "  2021:05:03 10:11:12": "2021-05-03T10:11:12",
    "2021:05:03 10:11:12\0garbage": "2021-05-03T10:11:12",
    "2021:05:03": "2021-05-03",
    "2021:05:03T10:11:12": "2021-05-03T10:11:12",
    "2021:05:03:10:11:12": "2021-05-03T10:11:12",
    "2021 05 03 10:11:12": "2021-05-03T10:11:12",
    "20210503": "2021-05-03",
    "20210503 101112": "2021-05-03T10:11:12",
    "20210503T101112Z": "2021-05-03T10:11:12+00:00",
    "20210503_1011": "2021-05-03T10:11:00",
    "2021:05:03 02:11:12 PM": "2021-05-03T14:11:12",
    "2021:05:03 12:11:12am": "2021-05-03T00:11:12",
    "2021:05:03 12:11 p.m.": "2021-05-03T12:11:00",
    "2021:05:03 10:11:60": "2021-05-03T10:11:59",
    "2021:05:03 10:11:12 UTC": "2021-05-03T10:11:12+00:00",
    "Mon May  3 10:11:12 2021": "2021-05-03T10:11:12",
    "Mon, 03 May 2021 10:11:12 GMT": "2021-05-03T10:11:12+00:00",
    "1900:01:01 00:00:00": "1900-01-01T00:00:00",
    "2200:12:31 23:59:59": "2200-12-31T23:59:59",
}


@pytest.mark.parametrize(("text", "moment"), SPELLINGS.items())
def test_a_sloppily_spelt_date_is_understood(text: str, moment: str) -> None:
    assert parsed_date(text) == moment
    if text.isprintable():
        data = text.encode()  # Pillow writes ASCII alone
        place = b"#" * len(data)
        assert taken(dated(place.decode()).replace(place, data)) == moment


@pytest.mark.parametrize("text", [
    "", "0000:00:00 00:00:00", "    :  :     :  :  ", "yesterday", "2021:13:45 10:11:12",
    "2021:02:30 10:11:12", "2021:05:03 25:11:12", "1899:12:31 23:59:59", "2201:01:01 00:00:00",
    "2021:05:03 10:11:61", "20211345", "202105", "2021:05:03 13:11:12 XM", "1234567890",
    "20210503101112345", "0001:01:01 00:00:00", "9999:12:31 23:59:59", "2021", "12", "\0\0\0\0",
    "Mon, 03 May 1800 10:11", "2021:05:03 10:11:12 and more",
])  # fmt: skip
def test_what_is_no_date_gives_none(text: str) -> None:
    assert parsed_date(text) == ""
    assert taken(dated(text)) == ""


def test_a_camera_without_a_clock_does_not_hide_the_next_date() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[ORIGINAL] = "0000:00:00 00:00:00"
    exif[CHANGED] = "2024:05:06 07:08:09"
    assert taken(encode(draw_bird(), exif=exif)) == "2024-05-06T07:08:09"
    exif.get_ifd(0x8769)[DIGITIZED] = "2023:05:06 07:08:09"
    assert taken(encode(draw_bird(), exif=exif)) == "2023-05-06T07:08:09"


def test_a_date_that_is_no_text_is_understood() -> None:
    assert taken(dated(b"2024:05:06 07:08:09")) == "2024-05-06T07:08:09"


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF", "HEIF", "TIFF"])
@pytest.mark.parametrize("xmp", [
    b'<rdf:Description exif:DateTimeOriginal="2024-05-06T07:08:09+05:30"/>',
    b"<exif:DateTimeOriginal>2024-05-06T07:08:09+05:30</exif:DateTimeOriginal>",
    b'<rdf:Description xmp:CreateDate = "2001-01-01" photoshop:DateCreated='
    b"'2024-05-06T07:08:09+05:30'/> \xff\xfe",
])  # fmt: skip
def test_a_photo_without_exif_is_dated_by_its_xmp(format: str, xmp: bytes) -> None:
    packet = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">' + xmp + b"</x:xmpmeta>"
    if format == "PNG":
        text = PngInfo()
        text.add_itxt("XML:com.adobe.xmp", packet.decode("latin-1"))
        data = encode(draw_bird(), "PNG", pnginfo=text)
    elif format == "TIFF":
        data = encode(draw_bird(), "TIFF", tiffinfo={700: packet})
    else:
        data = encode(draw_bird(), format, xmp=packet)
    assert taken(data) == "2024-05-06T07:08:09+05:30"


@pytest.mark.parametrize("name", ["Creation Time", "exif:DateTimeOriginal"])
def test_a_png_is_dated_by_its_text(name: str) -> None:
    text = PngInfo()
    text.add_text(name, "2024:05:06 07:08:09")
    assert taken(encode(draw_bird(), "PNG", pnginfo=text)) == "2024-05-06T07:08:09"


def test_a_png_is_dated_by_the_exif_that_imagemagick_writes_as_text() -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[ORIGINAL] = "2024:05:06 07:08:09"
    data, text = exif.tobytes(), PngInfo()
    text.add_text("Raw profile type exif", f"\nexif\n{len(data):8}\n{data.hex()}\n", zip=True)
    assert taken(encode(draw_bird(), "PNG", pnginfo=text)) == "2024-05-06T07:08:09"


@pytest.mark.parametrize("format", [*FORMATS, "GIF", "BMP", "PPM"])
def test_a_photo_without_a_date_has_none(format: str) -> None:
    assert taken(encode(draw_bird(), format)) == ""
