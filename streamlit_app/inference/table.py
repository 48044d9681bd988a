"""Photos to rows of a table, and a CSV table that a killed run leaves resumable."""

import codecs
import contextlib
import csv
import io
import locale
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO

from plumage.photos import MAX_BYTES, PhotoError
from streamlit_app.inference.classifier import Classifier
from streamlit_app.inference.limits import CORES
from streamlit_app.inference.pool import Read, classify_files

# Files in one request: a worker need not wait for the next one. A short list is cut into at least
# REQUESTS_PER_CORE requests for each core, so that no worker is left to do the last files alone.
FILES_PER_REQUEST, REQUESTS_PER_CORE = 8, 8


@dataclass(frozen=True)
class Row:
    """One file in the table; the fields are the columns.

    species: or that the photo shows none of them; then the second species is the nearest.
    probability, second_probability: 0 to 1, None without a prediction. prediction_set: species
    joined by `; `, likeliest first; empty where the photo shows none of them. taken: ISO 8601 or
    empty. error: why the file could not be read, or empty. variant: the one that was asked.
    """

    file: str
    species: str = ""
    probability: float | None = None
    second_species: str = ""
    second_probability: float | None = None
    prediction_set: str = ""
    taken: str = ""
    error: str = ""
    variant: str = ""


COLUMNS = [field.name.replace("_", " ") for field in fields(Row)]
# Of tables that earlier versions began: they are resumed under their own header.
EARLIER_COLUMNS = ["one of" if column == "prediction set" else column for column in COLUMNS]

BOM = "\ufeff"  # has Excel read a table as UTF-8

File = tuple[str, Read]  # its name, and a function that reads its bytes


def rows_of(
    classifier: Classifier, files: Sequence[File], thumbnails: bool = False
) -> Generator[tuple[Row, str]]:
    """Classify files on all cores: each file's row and thumbnail, in order.

    Thumbnails are JPEGs as data URLs, empty where they are not wanted. Raises: CheckpointError.
    """
    size = max(1, min(FILES_PER_REQUEST, len(files) // (REQUESTS_PER_CORE * CORES)))
    batches = (files[start : start + size] for start in range(0, len(files), size))
    # A thread for each worker. Only as many batches wait as keep every thread busy, so a million
    # photos take no more memory.
    with ThreadPoolExecutor(CORES) as threads:

        def start(count: int) -> Iterator[Future[list[tuple[Row, str]]]]:
            return (
                threads.submit(rows_of_batch, classifier, batch, thumbnails)
                for batch in islice(batches, count)
            )

        waiting = deque(start(2 * CORES))
        try:
            while waiting:
                yield from waiting.popleft().result()
                waiting.extend(start(1))
        finally:
            threads.shutdown(cancel_futures=True)


def rows_of_batch(
    classifier: Classifier, files: Sequence[File], thumbnails: bool = False
) -> list[tuple[Row, str]]:
    """Do what `rows_of` does for a few files in one request to one worker."""
    reads = [read for _, read in files]
    try:
        found = classify_files(classifier.folder, classifier.one_look, reads, thumbnails)
    except PhotoError as error:
        if len(files) > 1:  # one of them ended the worker
            return [row for file in files for row in rows_of_batch(classifier, [file], thumbnails)]
        found = [{"error": str(error)}]
    pictures = [row_fields.pop("thumbnail", "") for row_fields in found]
    return [
        (Row(name, variant=classifier.name, **row_fields), picture)
        for (name, _), row_fields, picture in zip(files, found, pictures, strict=True)
    ]


def rows_of_folder(classifier: Classifier, folder: Path, names: Sequence[str]) -> Generator[Row]:
    """Classify photos by their paths in the folder: a row each, in order."""
    files = [(name, partial(photo_bytes, folder / name)) for name in names]
    with contextlib.closing(rows_of(classifier, files)) as rows:
        yield from (row for row, _ in rows)


# As rows_of_folder does, but maybe on other machines and in another order.
RowsOfFolder = Callable[[Classifier, Path, Sequence[str]], Generator[Row]]


def photo_bytes(path: Path) -> bytes:
    """Read a file, at most one byte more than a photo may have."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


# Excel takes the full-width forms, too, that a Japanese or Chinese keyboard writes.
_FORMULA_STARTS = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n")


def escape_formula(cell: str) -> str:
    """Put an apostrophe before text that a spreadsheet would compute.

    Text that starts with an apostrophe gets one too, so that no two texts become one.
    """
    return f"'{cell}" if cell.startswith((*_FORMULA_STARTS, "'")) else cell


def write_row(file: IO[str], cells: Iterable[str | float | None]) -> None:
    """Add one line to a table; file: opened with newline=''."""
    line = [
        escape_formula(cell) if isinstance(cell, str) else "" if cell is None else f"{cell:.4f}"
        for cell in cells
    ]
    write_line(file, line)


def write_line(file: IO[str], line: Sequence[str]) -> None:
    """Add one line of cells that are escaped already."""
    # Where a spreadsheet splits at semicolons, what follows one in a name would be a cell.
    split = any(";" in cell for cell in line)
    csv.writer(file, quoting=csv.QUOTE_ALL if split else csv.QUOTE_MINIMAL).writerow(line)


def cells(row: Row) -> list[str | float | None]:
    """A row's values in the order of COLUMNS."""
    return [getattr(row, field.name) for field in fields(Row)]


@contextlib.contextmanager
def open_table(path: Path, variant: str) -> Iterator[tuple[IO[str], set[str]]]:
    """Open a table to append to; yields the file and the names in its first column, escaped.

    Raises: ValueError where the file is no table of Plumage's or another variant's, OSError where
        it cannot be written.
    """
    _restore_dialect(path)
    # Names that are no UTF-8 are kept byte for byte.
    with path.open("a+", encoding="utf-8", errors="surrogateescape", newline="") as file:
        data = path.read_bytes()
        headers = [
            f"{mark}{','.join(columns)}".encode()
            for columns in (COLUMNS, EARLIER_COLUMNS)
            for mark in (BOM, "")
        ]
        ends = (b"\r\n", b",")  # people add columns
        if not any(
            data.startswith(tuple(header + end for end in ends))
            or (header + ends[0]).startswith(data)
            for header in headers
        ):
            raise ValueError(
                f"{path} is not a Plumage results table: name another file with --out."
            )
        file.truncate(_whole_lines(data))
        file.seek(0)
        lines = csv.reader(file)
        if next(lines, None) is None:
            file.write(BOM)
            write_row(file, COLUMNS)
        rows = [line for line in lines if line]
        variants = {row[len(COLUMNS) - 1] for row in rows if len(row) >= len(COLUMNS)}
        if others := variants - {escape_formula(variant)}:
            other = min(others)
            raise ValueError(
                f"{path} was filled by {other}, not by {variant}: resume it with --variant "
                f"{other}, or name another file with --out."
            )
        yield file, {row[0] for row in rows}


def _restore_dialect(path: Path) -> None:
    """Write a table that a spreadsheet saved in its own dialect or encoding in Plumage's again."""
    if not path.is_file():
        return
    data = path.read_bytes()
    text, recoded = _decoded(data)
    first = text[:1000].splitlines()[:1]  # of a file that may be anything
    for delimiter in ",;\t":
        header = next(csv.reader(first, delimiter=delimiter), [])
        if header[: len(COLUMNS)] not in (COLUMNS, EARLIER_COLUMNS):
            continue
        if recoded or not text.startswith(f"{','.join(header)}\r\n"):
            lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
            half = path.with_name(f"{path.name}.part")
            with half.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
                file.write(BOM)
                for line in lines:
                    write_line(file, line)
            half.replace(path)
            return


def _decoded(data: bytes) -> tuple[str, bool]:
    """A table's text, and whether it was in another encoding than UTF-8.

    Excel saves "Unicode Text" as UTF-16, and "CSV" in the code page of its system and without the
    mark that Plumage writes. With that mark, a name that is no UTF-8 is a file's own.
    """
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace"), True
    if not data.startswith(codecs.BOM_UTF8):
        try:
            return data.decode(), False
        except UnicodeDecodeError:
            page = locale.getencoding()
            page = "cp1252" if page.lower().replace("-", "") == "utf8" else page
            return data.decode(page, "replace"), True
    return data.decode("utf-8", "surrogateescape").removeprefix(BOM), False


def _whole_lines(data: bytes) -> int:
    """Bytes of a table that are whole lines: a killed run may leave half a one."""
    end = data.rfind(b"\n") + 1
    while data.count(b'"', 0, end) % 2:  # that line end lies inside a quoted cell
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end
