"""Photos in folders to a ZIP whose names are plain files on every system."""

import re
import zipfile
from collections.abc import Iterable, Sequence
from itertools import chain, count
from pathlib import PurePath
from typing import IO


def write_zip(file: IO[bytes], photos: Iterable[tuple[Sequence[str], str, bytes]]) -> None:
    """Write a ZIP sorted into folders.

    photos: (folders, the inner ones last, name, the file's bytes). Of a path the last part is kept;
    names are made safe for every system, and those that would collide are numbered.
    """
    used: set[str] = set()
    places: dict[tuple[str, ...], str] = {}  # of each folder its path in the ZIP

    def place_of(folders: tuple[str, ...]) -> str:
        if folders not in places:
            *outer, name = folders
            before = f"{place_of(tuple(outer))}/" if outer else ""
            taken = [path.removeprefix(before) for path in places.values()]
            places[folders] = before + _unused(_safe(name), taken)
        return places[folders]

    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:  # photos are compressed
        for folders, path, data in photos:
            name = PurePath(_safe(re.split(r"[/\\]", path)[-1]))
            folder = place_of(tuple(folders))
            place, number = f"{folder}/{name}", 1
            while place.lower() in used:
                number += 1
                place = f"{folder}/{name.stem} ({number}){name.suffix}"
            used.add(place.lower())
            archive.writestr(place, data)


def _unused(name: str, used: Iterable[str]) -> str:
    """The name, numbered where another one is the same on a system that ignores case."""
    taken = {other.casefold() for other in used}
    numbered = (f"{name} ({number})" for number in count(2))
    return next(n for n in chain([name], numbered) if n.casefold() not in taken)


# What Windows forbids in names, control characters, line ends, and what turns the direction of
# writing. Joiners stay: Indian scripts need them.
_UNSAFE = re.compile(
    r'[<>:"/\\|?*\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]'
)
_RESERVED = re.compile(r"(con|prn|aux|nul|(com|lpt)\d)?(\..*)?", re.IGNORECASE)


def _safe(name: str) -> str:
    """A name that a file can have on Linux, macOS and Windows; the end of a long one."""
    safe = _UNSAFE.sub("_", name)[-60:].strip(" .")
    return f"_{safe}" if _RESERVED.fullmatch(safe) else safe
