"""Classify a folder of photos into a CSV table: `python -m streamlit_app.batch FOLDER --out CSV`.

Run again, the command resumes: photos that are in the table are skipped unless they changed or
could not be read. With --cluster, the machines of a Ray cluster share the photos.
"""

import argparse
import contextlib
import errno
import io
import os
import sys
from collections.abc import Sequence
from functools import partial
from itertools import islice
from pathlib import Path

from filelock import FileLock, Timeout
from tqdm import tqdm

from plumage.folders import in_words, list_photos
from streamlit_app.inference.classifier import (
    NO_MODEL,
    CheckpointError,
    Classifier,
    checkpoints_folder,
    variant_folders,
)
from streamlit_app.inference.limits import CORES_FAULT
from streamlit_app.inference.remembered import (
    forget_rows,
    memory_of,
    recall,
    remember,
    stamp,
)
from streamlit_app.inference.table import (
    FILES_PER_REQUEST,
    RowsOfFolder,
    cells,
    escape_formula,
    open_table,
    rows_of_folder,
    write_row,
)
from streamlit_app.results.scores import rank_variants


def open_variant(name: str | None) -> Classifier:
    """Open the variant of that name, or the most accurate one; raises CheckpointError."""
    folders = {folder.name: folder for folder in variant_folders(checkpoints_folder())}
    if not folders:
        raise CheckpointError(NO_MODEL)
    if name is not None and name not in folders:
        raise CheckpointError(f"There is no variant {name}: choose from {', '.join(folders)}.")
    chosen = name or next(iter(rank_variants(folders, checkpoints_folder())))
    return Classifier(folders[chosen])


def fill_table(
    folder: Path, table: Path, classifier: Classifier, classify: RowsOfFolder = rows_of_folder
) -> str:
    """Add a row to the table for each photo in the folder that it lacks.

    Returns: one sentence that counts them. Raises: ValueError, OSError as `open_table`,
        CheckpointError; ValueError, too, where another run is filling the table or the folder holds
        no photo.
    """
    if not table.parent.is_dir():  # the lock would make it
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(table))
    try:
        with FileLock(lock_of(table), timeout=0):
            return _fill_table(folder, table, classifier, classify)
    except Timeout as error:
        raise ValueError(
            f"Another run is filling {table}: wait until it has ended, or name a new table with "
            "--out."
        ) from error


def lock_of(table: Path) -> Path:
    """The hidden file beside a table that the run which fills it holds locked."""
    return table.with_name(f".{table.name}.lock")


def _fill_table(folder: Path, table: Path, classifier: Classifier, classify: RowsOfFolder) -> str:
    stamps = recall(table, folder)
    listing = list_photos(folder)
    own = (table, memory_of(table), lock_of(table))
    left_out = in_words(
        {
            kind: [path for path in paths if folder / path not in own]
            for kind, paths in listing.left_out.items()
        }
    )
    if not listing.photos:
        raise ValueError(f"{folder} holds no photos{f', but {left_out}' if left_out else ''}.")
    now = {photo.as_posix(): stamp(folder / photo) for photo in listing.photos}
    with open_table(table, classifier.name):
        pass  # it is a table of this variant
    forget_rows(table, {name for name in stamps if name in now and stamps[name] != now[name]})
    # A killed run leaves this; its own rows are then known by their names.
    remember(table, folder, {name: old for name, old in stamps.items() if now.get(name) == old})
    with open_table(table, classifier.name) as (file, known):
        photos = [photo.as_posix() for photo in listing.photos]
        new = [name for name in photos if escape_formula(name) not in known]
        unread = 0
        answered = set(photos) - set(new)
        bar = tqdm(total=len(photos), initial=len(answered), unit="photo")
        try:
            with bar, contextlib.closing(classify(classifier, folder, new)) as rows:
                while batch := list(islice(rows, FILES_PER_REQUEST)):
                    lines = io.StringIO(newline="")
                    for row in batch:
                        write_row(lines, cells(row))
                        unread += bool(row.error)
                    file.write(lines.getvalue())
                    file.flush()
                    answered.update(row.file for row in batch)
                    bar.update(len(batch))
        finally:
            found = {name: now[name] for name in answered}
            remember(table, folder, {name: is_ for name, is_ in found.items() if is_})
    done = (
        f"{table}: {len(new) - unread} photos named, {unread} could not be read, "
        f"{len(photos) - len(new)} were there already."
    )
    return f"{done} Left out: {left_out}." if left_out else done


def cluster_at(address: str) -> RowsOfFolder:
    """Classify on the Ray cluster at that address; raises ValueError where Ray is missing."""
    try:
        from streamlit_app.inference import ray as cluster  # --cluster alone needs Ray
    except ModuleNotFoundError as error:
        raise ValueError(
            f"--cluster needs {error.name}: pip install --requirement cluster-requirements.txt"
        ) from error
    return partial(cluster.rows_of_folder, address)


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill the table named on the command line."""
    parser = argparse.ArgumentParser("python -m streamlit_app.batch", description=__doc__)
    parser.add_argument("folder", type=Path, help="the photos, in folders or not")
    parser.add_argument("--out", type=Path, required=True, help="the table (CSV) to write")
    parser.add_argument(
        "--variant", help="a folder in checkpoints/ (default: the best on val photos)"
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="a Ray cluster: HOST:PORT of its head, or auto for the one on this machine",
    )
    given = parser.parse_args(arguments)
    if CORES_FAULT:
        parser.exit(2, f"{CORES_FAULT}\n")
    if not given.folder.is_dir():
        sys.exit(f"{given.folder} is not a folder: name the folder of your photos.")
    try:
        classify = cluster_at(given.cluster) if given.cluster else rows_of_folder
        print(fill_table(given.folder, given.out, open_variant(given.variant), classify))
    except (CheckpointError, ValueError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("\nStopped: start again to resume.", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        if error.filename and Path(error.filename) in (given.out, lock_of(given.out)):
            sys.exit(f"{given.out} cannot be written: {error.strerror}.")
        sys.exit(f"The run stopped: {error}. Start it again to resume.")


if __name__ == "__main__":
    main()
