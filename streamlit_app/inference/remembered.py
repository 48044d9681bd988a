"""The memory of a folder's table, NAME.csv.json beside it: the folder, its files, the looks.

Without that file a table is resumed by the names in it.
"""

import csv
import io
import json
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from plumage.looks import ONE_LOOK
from streamlit_app.inference.table import COLUMNS, escape_formula, write_line

Stamp = list[int]  # a file's size in bytes and its time in ns
_ERROR = COLUMNS.index("error")


def memory_of(table: Path) -> Path:
    """The file beside a table that remembers."""
    return table.with_name(f"{table.name}.json")


def stamp(path: Path) -> Stamp | None:
    """A file's size and time; None where they cannot be read."""
    try:
        status = path.stat()
    except OSError:
        return None
    return [status.st_size, status.st_mtime_ns]


def recall(table: Path, folder: Path, looks: Sequence[str]) -> dict[str, Stamp]:
    """The stamps of the files in a table; raises ValueError where it is another folder's.

    looks: by which photos are answered; a table that was answered by others is refused, too.
    """
    if not table.exists():
        return {}
    try:
        memory = json.loads(memory_of(table).read_text(encoding="utf-8"))
        other, files = str(memory["folder"]), dict(memory["files"])
        earlier = list(memory.get("looks", ONE_LOOK))  # earlier versions had one
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return {}
    if other != str(folder.resolve()):
        raise ValueError(
            f"{table} holds the photos of {other}, not of {folder}: name another file with --out."
        )
    if earlier != list(looks):
        flag = "one" if earlier == list(ONE_LOOK) else "all"
        raise ValueError(
            f"{table} was filled with other looks at each photo: resume it with --looks {flag}, or "
            "name another file with --out."
        )
    return files


def remember(table: Path, folder: Path, files: Mapping[str, Stamp], looks: Sequence[str]) -> None:
    """Replace what a table remembers."""
    path = memory_of(table)
    half = path.with_name(f"{path.name}.part")
    memory = {"folder": str(folder.resolve()), "files": files, "looks": list(looks)}
    # ASCII: names that are no UTF-8 are kept, too.
    half.write_text(json.dumps(memory), encoding="utf-8")
    half.replace(path)


def forget_rows(table: Path, changed: Set[str]) -> None:
    """Take rows out of a table: of these files, and of all that could not be read."""
    data = table.read_bytes().decode("utf-8", "surrogateescape")
    header, *rows = csv.reader(io.StringIO(data, newline=""))
    escaped = {escape_formula(name) for name in changed}
    kept = [
        row for row in rows if row and row[0] not in escaped and not any(row[_ERROR : _ERROR + 1])
    ]
    if len(kept) == len(rows):
        return
    lines = io.StringIO(newline="")
    for row in (header, *kept):
        write_line(lines, row)
    half = table.with_name(f"{table.name}.part")
    half.write_bytes(lines.getvalue().encode("utf-8", "surrogateescape"))
    half.replace(table)
