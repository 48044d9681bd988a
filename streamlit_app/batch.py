"""Classify a folder of photos into a CSV table: `python -m streamlit_app.batch FOLDER --out CSV`.

Run again, the command resumes: photos that are in the table are skipped unless they changed or
could not be read. With --cluster, the machines of a Ray cluster share the photos. With --format
camtrap-dp, the answers become a Camera Trap Data Package in the folder --out.
"""

import signal

# Stopped while it imports, it has nothing to say; in the background it may not be stopped at all.
if __name__ == "__main__" and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
    signal.signal(signal.SIGINT, signal.SIG_DFL)

import argparse
import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from filelock import FileLock, Timeout
from tqdm import tqdm

from plumage.folders import counted, in_words, list_photos, printable
from streamlit_app.camtrap_dp import FILES, Deployment, write_package
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

TABLE = "plumage.csv"  # in the folder of a package


def open_variant(name: str | None, checkpoints: Path, one_look: bool = False) -> Classifier:
    """Open the variant of that name, or the most accurate one; raises CheckpointError."""
    folders = {folder.name: folder for folder in variant_folders(checkpoints)}
    if not folders:
        raise CheckpointError(NO_MODEL)
    if name is not None and name not in folders:
        raise CheckpointError(f"There is no variant {name}: choose from {', '.join(folders)}.")
    chosen = name or next(iter(rank_variants(folders, checkpoints)))
    return Classifier(folders[chosen], one_look)


def fill_table(
    folder: Path, table: Path, classifier: Classifier, classify: RowsOfFolder = rows_of_folder
) -> str:
    """Add a row to the table for each photo in the folder that it lacks.

    Returns: one sentence that counts them. Raises: ValueError, OSError as `open_table`,
        CheckpointError; ValueError, too, where another run is filling the table or the folder holds
        no photo.
    """
    with alone(table):
        return _fill_table(folder, table, classifier, classify)


def fill_package(
    folder: Path,
    package: Path,
    deployment: Deployment,
    classifier: Classifier,
    classify: RowsOfFolder = rows_of_folder,
) -> str:
    """Fill the table TABLE in a package's folder, then write the package; as `fill_table`.

    Returns: two sentences, on the table and on the package.
    """
    package.mkdir(exist_ok=True)
    table = package / TABLE
    with alone(table):
        said = _fill_table(folder, table, classifier, classify)
        written = write_package(package, table, folder, deployment, classifier.species)
        return f"{said}\n{written}"


@contextlib.contextmanager
def alone(table: Path) -> Iterator[None]:
    """Hold a table's lock inside the block; raises as `fill_table` where that fails."""
    if not table.parent.is_dir():  # the lock would make it
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(table))
    lock = FileLock(lock_of(table), timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ValueError(
            f"Another run is filling {table}: wait until it has ended, or name a new table with "
            "--out."
        ) from error
    try:
        yield
    finally:
        lock.release()


def lock_of(table: Path) -> Path:
    """The hidden file beside a table that the run which fills it holds locked."""
    return table.with_name(f".{table.name}.lock")


def _fill_table(folder: Path, table: Path, classifier: Classifier, classify: RowsOfFolder) -> str:
    stamps = recall(table, folder, classifier.looks)
    listing = list_photos(folder)
    own = (table, memory_of(table), lock_of(table), *(table.parent / name for name in FILES))
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
    same = {name: old for name, old in stamps.items() if now.get(name) == old}
    remember(table, folder, same, classifier.looks)
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
            stamped = {name: is_ for name, is_ in found.items() if is_}
            remember(table, folder, stamped, classifier.looks)
    done = (
        f"{table}: {counted(len(new) - unread, 'photo')} named, {unread} could not be read, "
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


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser("python -m streamlit_app.batch", description=__doc__)
    parser.add_argument("folder", type=Path, help="the photos, in folders or not")
    parser.add_argument(
        "--out", type=Path, required=True, help="the table (CSV) to write, or a package's folder"
    )
    parser.add_argument(
        "--variant", help="a folder in --checkpoints (default: the best on val photos)"
    )
    parser.add_argument(
        "--checkpoints",
        type=Path,
        default=checkpoints_folder(),
        help="the folder of variants (default: $PLUMAGE_CHECKPOINTS or the shipped ones)",
    )
    parser.add_argument(
        "--looks",
        choices=("all", "one"),
        default="all",
        help="all that the variant was calibrated for, or one at the whole photo, which is faster "
        "and misses small birds (default: all)",
    )
    parser.add_argument(
        "--cluster",
        metavar="ADDRESS",
        help="a Ray cluster: HOST:PORT of its head, or auto for the one on this machine",
    )
    parser.add_argument(
        "--format",
        choices=("csv", "camtrap-dp"),
        default="csv",
        help="a table, or a Camera Trap Data Package (default: csv)",
    )
    camera = parser.add_argument_group("what photos do not tell, for --format camtrap-dp")
    camera.add_argument("--deployment", metavar="NAME", help="(default: the folder's name)")
    camera.add_argument("--latitude", type=degrees(90), help="of the camera, in degrees (WGS 84)")
    camera.add_argument("--longitude", type=degrees(180), help="likewise")
    camera.add_argument(
        "--timezone",
        type=timezone,
        metavar="ZONE",
        help="of the camera's clock, as Asia/Kolkata (default: UTC, marked as uncertain)",
    )
    given = parser.parse_args(arguments)
    if CORES_FAULT:
        parser.exit(2, f"{CORES_FAULT}\n")
    if (given.latitude is None) != (given.longitude is None):
        parser.error("--latitude and --longitude go together.")
    camera_flags = (given.deployment, given.latitude, given.timezone)
    if given.format == "csv" and any(flag is not None for flag in camera_flags):
        parser.error("--deployment, --latitude, --longitude, --timezone: add --format camtrap-dp.")
    return given


def degrees(largest: int) -> Callable[[str], float]:
    """The type of an angle on the command line, from -largest to largest."""

    def angle(text: str) -> float:
        value = float(text)
        if not -largest <= value <= largest:
            raise argparse.ArgumentTypeError(f"{text} is not between -{largest} and {largest}")
        return value

    return angle


def timezone(name: str) -> ZoneInfo:
    """The type of a time zone on the command line."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError, ZoneInfoNotFoundError) as error:
        raise argparse.ArgumentTypeError(f"no time zone is called {name}") from error


def main(arguments: Sequence[str] | None = None) -> None:
    """Fill the table or package named on the command line."""
    given = parse(arguments)
    if not given.folder.is_dir():
        sys.exit(f"{given.folder} is not a folder: name the folder of your photos.")
    try:
        classify = cluster_at(given.cluster) if given.cluster else rows_of_folder
        classifier = open_variant(given.variant, given.checkpoints, given.looks == "one")
        if given.format == "csv":
            print(fill_table(given.folder, given.out, classifier, classify))
        else:
            name = escape_formula(given.deployment or printable(given.folder.resolve().name))
            deployment = Deployment(name, given.latitude, given.longitude, given.timezone)
            print(fill_package(given.folder, given.out, deployment, classifier, classify))
    except (CheckpointError, ValueError) as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        print("\nStopped: start again to resume.", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        outputs = (given.out, lock_of(given.out), given.out / TABLE, lock_of(given.out / TABLE))
        if error.filename and Path(error.filename) in outputs:
            sys.exit(f"{given.out} cannot be written: {error.strerror}.")
        sys.exit(f"The run stopped: {error}. Start it again to resume.")


if __name__ == "__main__":
    if signal.getsignal(signal.SIGINT) is signal.SIG_DFL:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        main()
    finally:  # all is said; Python prints a traceback where it is stopped while it ends
        if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            signal.signal(signal.SIGINT, signal.SIG_DFL)
