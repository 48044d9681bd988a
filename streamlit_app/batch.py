"""A folder of photos to a table: `python -m streamlit_app.batch FOLDER --out birds.csv`.

Started again it goes on where it stopped: photos that the table already has are skipped. With
--cluster the machines of a Ray cluster share the photos (cluster.py).
"""

import argparse
import contextlib
import csv
import io
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, fields
from functools import partial
from itertools import islice
from pathlib import Path
from typing import IO

from tqdm import tqdm

from plumage.photos import MAX_BYTES, PhotoError
from streamlit_app.inference.classifier import (
    NO_MODEL,
    CheckpointError,
    Classifier,
    checkpoints_folder,
    variant_folders,
)
from streamlit_app.inference.photos import CORES, SUFFIXES
from streamlit_app.inference.pool import Read, answered
from streamlit_app.results.best import best_first

# Files that a process gets at once: it need not wait for the next while it is at the first. Where
# there are few, each gets fewer, so that none is left to do the last ones alone.
AT_ONCE, SHARES = 8, 8


@dataclass(frozen=True)
class Row:
    """What the table says about one file; its fields are the columns.

    species: or that it shows none of them; then the second one is what comes nearest.
    probability, second_probability: 0 to 1, None without an answer. one_of: the species among which
    the bird's is 95 times in 100, likeliest first. taken: ISO 8601 or empty. error: why the file
    could not be read, or empty. variant: the one that was asked.
    """

    file: str
    species: str = ""
    probability: float | None = None
    second_species: str = ""
    second_probability: float | None = None
    one_of: str = ""
    taken: str = ""
    error: str = ""
    variant: str = ""


COLUMNS = [field.name.replace("_", " ") for field in fields(Row)]

File = tuple[str, Read]  # its name, and how to get at its bytes


def answer_files(
    classifier: Classifier, files: Sequence[File], thumbnails: bool = False
) -> Generator[tuple[Row, str]]:
    """Each file's row, and its photo's thumbnail where these are wanted, in order, on all cores."""
    size = max(1, min(AT_ONCE, len(files) // (SHARES * CORES)))
    batches = (files[start : start + size] for start in range(0, len(files), size))
    # A thread for each process. Only as many batches wait as keep every thread busy, so a million
    # photos take no more memory.
    with ThreadPoolExecutor(CORES) as pool:

        def start(count: int) -> Iterator[Future[list[tuple[Row, str]]]]:
            return (
                pool.submit(answer_batch, classifier, batch, thumbnails)
                for batch in islice(batches, count)
            )

        waiting = deque(start(2 * CORES))
        try:
            while waiting:
                yield from waiting.popleft().result()
                waiting.extend(start(1))
        finally:
            pool.shutdown(cancel_futures=True)


def answer_batch(
    classifier: Classifier, files: Sequence[File], thumbnails: bool = False
) -> list[tuple[Row, str]]:
    """What `answer_files` gives for a few files, all at once and by one process."""
    reads = [read for _, read in files]
    try:
        found = answered(classifier.folder, classifier.image_size, reads, thumbnails)
    except PhotoError as error:
        if len(files) > 1:  # one of them it is
            return [row for file in files for row in answer_batch(classifier, [file], thumbnails)]
        found = [{"error": str(error)}]
    pictures = [said.pop("thumbnail", "") for said in found]
    return [
        (Row(name, variant=classifier.name, **said), picture)
        for (name, _), said, picture in zip(files, found, pictures, strict=True)
    ]


def photo_files(folder: Path) -> list[str]:
    """Every photo in the folder and the folders in it, by its path from there, in order.

    What has the suffix of another kind of file, or a hidden name, is left out.
    """
    paths = (path.relative_to(folder) for path in folder.rglob("*"))
    return sorted(
        path.as_posix()
        for path in paths
        if path.suffix.lower()[1:] in SUFFIXES
        and not any(part.startswith(".") for part in path.parts)
        # A link to nowhere is a photo that cannot be opened; a pipe would be waited for.
        and ((folder / path).is_file() or not (folder / path).exists())
    )


def photo_bytes(path: Path) -> bytes:
    """A file's bytes; of one that is too large for a photo hardly more than are refused."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


# Excel takes the full-width forms, too, that a Japanese or Chinese keyboard writes.
_COMPUTED = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\t", "\r", "\n", "'")


def harmless(cell: str) -> str:
    """The text with an apostrophe before it where a spreadsheet would compute it.

    Text that starts with an apostrophe gets one too, so that no two texts become one.
    """
    return f"'{cell}" if cell.startswith(_COMPUTED) else cell


def write_row(file: IO[str], cells: Iterable[str | float | None]) -> None:
    """Add one line to a table; file: opened with newline=''."""
    line = [
        harmless(cell) if isinstance(cell, str) else "" if cell is None else f"{cell:.4f}"
        for cell in cells
    ]
    # Where a spreadsheet splits at semicolons, what follows one in a name would be a cell.
    split = any(";" in cell for cell in line)
    csv.writer(file, quoting=csv.QUOTE_ALL if split else csv.QUOTE_MINIMAL).writerow(line)


def cells(row: Row) -> list[str | float | None]:
    """A row's values in the order of COLUMNS."""
    return [getattr(row, field.name) for field in fields(Row)]


@contextlib.contextmanager
def open_table(path: Path, variant: str) -> Iterator[tuple[IO[str], set[str]]]:
    """The table, to be added to, and the names of the files that it has, made harmless.

    Raises: ValueError where the file is another table or another variant's, OSError where it
        cannot be written.
    """
    # Names that are no UTF-8 are kept byte for byte.
    with path.open("a+", encoding="utf-8", errors="surrogateescape", newline="") as file:
        data, header = path.read_bytes(), f"{','.join(COLUMNS)}\r\n".encode()
        if not (data.startswith(header) or header.startswith(data)):
            raise ValueError(f"{path} is another table: name a new one with --out.")
        file.truncate(_whole_lines(data))
        file.seek(0)
        lines = csv.reader(file)
        if next(lines, None) is None:
            write_row(file, COLUMNS)
        rows = [line for line in lines if line]
        if others := {row[-1] for row in rows} - {harmless(variant)}:
            other = min(others)
            raise ValueError(
                f"{path} was filled by {other}, not by {variant}: go on with --variant {other}, "
                "or name a new table with --out."
            )
        yield file, {row[0] for row in rows}


def _whole_lines(data: bytes) -> int:
    """How many bytes of a table are whole lines: a run that was killed may leave half a one."""
    end = data.rfind(b"\n") + 1
    while data.count(b'"', 0, end) % 2:  # that line's end stands inside a quoted cell
        end = data.rfind(b"\n", 0, end - 1) + 1
    return end


def open_variant(name: str | None) -> Classifier:
    """The variant of that name, or the best that there is; raises CheckpointError."""
    folders = {folder.name: folder for folder in variant_folders(checkpoints_folder())}
    if not folders:
        raise CheckpointError(NO_MODEL)
    if name is not None and name not in folders:
        raise CheckpointError(f"There is no variant {name}: choose from {', '.join(folders)}.")
    chosen = name or next(iter(best_first(folders, checkpoints_folder())))
    return Classifier(folders[chosen])


def answer_folder(classifier: Classifier, folder: Path, names: Sequence[str]) -> Generator[Row]:
    """The row of each of these photos in the folder, in order."""
    files = [(name, partial(photo_bytes, folder / name)) for name in names]
    with contextlib.closing(answer_files(classifier, files)) as answers:
        yield from (row for row, _ in answers)


# As answer_folder does, but maybe elsewhere and in another order.
AnswerFolder = Callable[[Classifier, Path, Sequence[str]], Generator[Row]]


def fill_table(
    folder: Path, table: Path, classifier: Classifier, answer: AnswerFolder = answer_folder
) -> str:
    """Add a row to the table for each photo in the folder that it lacks.

    Returns: one sentence on what was done. Raises: ValueError, OSError as `open_table`.
    """
    with open_table(table, classifier.name) as (file, known):
        photos = photo_files(folder)
        new = [name for name in photos if harmless(name) not in known]
        unread = 0
        bar = tqdm(total=len(photos), initial=len(photos) - len(new), unit="photo")
        with bar, contextlib.closing(answer(classifier, folder, new)) as answers:
            while batch := list(islice(answers, AT_ONCE)):
                lines = io.StringIO(newline="")
                for row in batch:
                    write_row(lines, cells(row))
                    unread += bool(row.error)
                file.write(lines.getvalue())
                file.flush()
                bar.update(len(batch))
    return (
        f"{table}: {len(new) - unread} photos named, {unread} could not be read, "
        f"{len(photos) - len(new)} were there already."
    )


def cluster_at(address: str) -> AnswerFolder:
    """Has photos answered by the Ray cluster at that address; raises ValueError."""
    try:
        from streamlit_app.inference import ray as cluster  # only who asks for a cluster needs Ray
    except ModuleNotFoundError as error:
        raise ValueError(
            f"--cluster needs {error.name}: pip install --requirement cluster-requirements.txt"
        ) from error
    return partial(cluster.answer_folder, address)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill the table named on the command line."""
    parser = argparse.ArgumentParser("python -m streamlit_app.batch", description=__doc__)
    parser.add_argument("folder", type=Path, help="where the photos are, in folders or not")
    parser.add_argument("--out", type=Path, required=True, help="the table (CSV) to write")
    parser.add_argument(
        "--variant", help="a folder in checkpoints/ (default: the best on val photos)"
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="of the Ray cluster to use: HOST:PORT of its head, or auto for the one that runs here",
    )
    given = parser.parse_args(arguments)
    if not given.folder.is_dir():
        sys.exit(f"{given.folder} is not a folder: name the one that the photos are in.")
    try:
        answer = cluster_at(given.cluster) if given.cluster else answer_folder
        print(fill_table(given.folder, given.out, open_variant(given.variant), answer))
    except (CheckpointError, ValueError) as error:
        sys.exit(str(error))
    except OSError as error:
        sys.exit(f"{given.out} cannot be written: {error.strerror}.")


if __name__ == "__main__":
    main()
