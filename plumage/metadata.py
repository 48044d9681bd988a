"""Orientation and capture date of a photo, from EXIF tags, XMP and text."""

import contextlib
import re
from collections.abc import Iterator
from datetime import datetime
from email.utils import parsedate_to_datetime

from PIL import ExifTags, Image

YEARS = range(1900, 2201)  # other years come from clocks that nobody has set
# The first that holds a date counts; each with the tag of its time zone.
TAGS = (
    (ExifTags.Base.DateTimeOriginal, ExifTags.Base.OffsetTimeOriginal),
    (ExifTags.Base.DateTimeDigitized, ExifTags.Base.OffsetTimeDigitized),
    (ExifTags.Base.DateTime, ExifTags.Base.OffsetTime),
)
TEXTS = ("exif:DateTimeOriginal", "Creation Time", "exif:DateTimeDigitized", "exif:DateTime")
PROPERTIES = (
    "exif:DateTimeOriginal",
    "photoshop:DateCreated",
    "exif:DateTimeDigitized",
    "xmp:CreateDate",
)
# 2021:05:03 10:11:12, with other separators, blanks for zeros, a fraction, half a day's hours or a
# time zone, too; 20210503 101112.
_MOMENT = re.compile(
    r"(\d{4})[:/.\- ] ?(\d{1,2})[:/.\- ] ?(\d{1,2})\.?"
    r"(?:[T ,:_]+(\d{1,2})[:.] ?(\d{1,2})(?:[:.] ?(\d{1,2})(?:[.,:]\d*)?)?(?: ?([AP])\.?M\.?)?)?"
    r" *(Z|UTC|GMT|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)
# Before and after noon, as Chinese, Japanese and Korean phones write it before the time.
_NOON = re.compile(r" *(?:(上午|午前|오전)|(下午|午後|오후)) *([\d:. ]*\d)")
_COMPACT = re.compile(r"(\d{4})(\d\d)(\d\d)(?:[T _-]?(\d\d)(\d\d)(\d\d)?)?(?=\D|$)")


def orientation(photo: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where it is broken or missing."""
    with contextlib.suppress(Exception):
        value = _exif(photo).get(ExifTags.Base.Orientation)
        return int(value) if value in range(1, 9) else 1  # type: ignore[arg-type]
    return 1


def capture_date(photo: Image.Image) -> str:
    """When a photo was taken, in ISO 8601; empty where its file names no date.

    photo: as Pillow opened it, its pixels loaded, since a PNG's text may follow them.
    """
    for text, zone in _candidates(photo):
        if text and (found := parsed_date(text, zone)):
            return found
    return ""


def parsed_date(text: str, zone: str = "") -> str:
    """A date as cameras and programs spell it, in ISO 8601; empty where it is none.

    zone: such as +05:30, for a text without one; ignored where it is none.
    """
    text = text.strip("\0 \t\r\n'\"").partition("\0")[0].rstrip()
    text = _COMPACT.sub(_with_colons, text, count=1)
    text = _NOON.sub(lambda half: f" {half[3]} {'AM' if half[1] else 'PM'}", text)
    match = _MOMENT.fullmatch(text)
    try:
        if match is None:
            moment = parsedate_to_datetime(text)  # Mon, 03 May 2021 10:11:12 GMT
            return moment.isoformat() if moment.year in YEARS else ""
        *numbers, half, own_zone = match.groups()
        year, month, day, hour, minute, second = (int(number or 0) for number in numbers)
        if half and hour <= 12:
            hour = hour % 12 + (12 if half in "Pp" else 0)
        hour -= 24 * (hour == 24)  # some phones count the hours from 1
        second -= second == 60  # a leap second
        moment = datetime(year, month, day, hour, minute, second)
    except (ValueError, TypeError, IndexError):
        return ""
    if moment.year not in YEARS:
        return ""
    if numbers[3] is None:
        return moment.date().isoformat()
    with contextlib.suppress(ValueError):
        zone = (own_zone or zone.strip("\0 ")).upper()
        offset = datetime.strptime("Z" if zone in ("UTC", "GMT") else zone, "%z").tzinfo
        return moment.replace(tzinfo=offset).isoformat()
    return moment.isoformat()


def _with_colons(match: re.Match[str]) -> str:
    """20210503101112 as 2021:05:03 10:11:12."""
    year, month, day, hour, minute, second = match.groups()
    time = f" {hour}:{minute}:{second or '00'}" if hour else ""
    return f"{year}:{month}:{day}{time}"


def _exif(photo: Image.Image) -> Image.Exif:
    """A photo's EXIF; where it is broken, what was read of it before that."""
    with contextlib.suppress(Exception):
        return photo.getexif()
    return photo.getexif()


def _candidates(photo: Image.Image) -> Iterator[tuple[str, str]]:
    """Texts that may be the date, the best first, each with a time zone or none."""
    with contextlib.suppress(Exception):
        if exif := _exif(photo):
            for tag, zone in TAGS:
                yield _text(exif, tag), _text(exif, zone)
    for name in TEXTS:
        if name in photo.info:
            yield str(photo.info[name]), ""
    if xmp := photo.info.get("xmp") or photo.info.get("XML:com.adobe.xmp"):
        packet = xmp.decode("utf-8", "replace") if isinstance(xmp, bytes) else str(xmp)
        for name in PROPERTIES:
            if match := re.search(rf"{name}\s*(?:=\s*[\"']|>)([^\"'<]{{1,40}})", packet):
                yield match[1], ""


def _text(exif: Image.Exif, tag: int) -> str:
    """An EXIF tag as text, from the Exif directory or the first; empty where it is broken."""
    for directory in (ExifTags.IFD.Exif, None):
        with contextlib.suppress(Exception):
            value = (exif if directory is None else exif.get_ifd(directory)).get(tag)
            value = value[0] if isinstance(value, tuple) else value
            if isinstance(value, str):
                value = value.encode("latin-1", "replace")  # as Pillow takes any text
            if value:
                return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
    return ""
