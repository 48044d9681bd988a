"""Folders of photos -> decoded once into a memory-mapped uint8 array."""

import csv
import hashlib
import json
import math
import os
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from tqdm import tqdm

from plumage.contract import SPECIES_RULE, is_species_name
from plumage.folders import (
    ALL,
    OUTSIDE_CLASSES,
    OUTSIDE_SPLITS,
    SPLITS,
    UNREADABLE,
    PhotoSetListing,
    in_words,
    list_photo_set,
    list_photos,
    printable,
)
from plumage.photos import READER, PhotoError, read_photo, resized
from trainer.recipe import Recipe
from trainer.utils.cli import UserError
from trainer.utils.files import replacing

LAYOUT = (
    "--data names a folder with one folder of photos a class, or with train, val and test of such "
    "folders (what is missing of the three is cut from the photos that are there); --data demo "
    "draws a set to try it with."
)
OUTLIERS = "outliers"  # the split of photos of none of the species
OUTLIER_LAYOUT = (
    "--outliers names a folder of photos of none of the species, in a folder for each kind."
)
BLOCK = 2**24  # bytes
CACHE = 1  # raise it where kept copies are written in another way


class PhotoSetError(UserError):
    """A photo folder that cannot be trained on; the message says what to do about it."""


@dataclass(frozen=True)
class PhotoSet:
    """The photos of one split, squeezed to squares.

    Attributes:
        array: .npy file of the pixels; it may have room for more photos.
        labels: (photos,) int64, indices into `species`.
        species: names of the species, sorted.
        skipped: files that cannot be read, and why.
        fingerprint: hexadecimal digest of the files' names and bytes.
    """

    array: Path
    labels: NDArray[np.int64]
    species: tuple[str, ...]
    skipped: dict[str, str]
    fingerprint: str

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(photos, size, size, 3) uint8, mapped from the file, so that no process copies them."""
        return np.load(self.array, mmap_mode="r")[: len(self.labels)]


@dataclass(frozen=True)
class PhotoFolder:
    """A photo set on disk, in any layout that `plumage.folders.list_photo_set` takes.

    Attributes:
        root: its folder.
        split_table: splits.csv of a run that cut what the folder lacks; None: its own splits.
    """

    root: Path
    splits: ClassVar[tuple[str, ...]] = SPLITS
    split_table: Path | None = None

    @cached_property
    def uncut(self) -> PhotoSetListing:
        """The folder's content, in its own splits."""
        try:
            return list_photo_set(self.root)
        except OSError as error:
            default = " (the default of --data)" if self.root == Path(Recipe.data) else ""
            raise PhotoSetError(
                f"The folder {self.root}{default} cannot be read ({error.strerror}): {LAYOUT}"
            ) from error

    @cached_property
    def listing(self) -> PhotoSetListing:
        """The folder's content, in the splits that are trained on."""
        table = self.split_table
        return with_splits(self.uncut, read_splits(table)) if table else self.uncut

    @property
    def files(self) -> dict[str, list[Path]]:
        """Photos of each split as SPLIT/SPECIES/NAME, sorted; `path` says where each lies."""
        return self.listing.photos

    @property
    def missing(self) -> list[str]:
        """Splits that the folder lacks."""
        return [split for split in SPLITS if split not in self.files]

    def count(self, at_most: int | None = None) -> int:
        """The number of training photos, at most a number of each species; None: all."""
        counts = Counter(file.parts[1] for file in self.files["train"]).values()
        return sum(min(count, at_most or count) for count in counts)

    @cached_property
    def digest(self) -> dict[str, Any]:
        """The number of photos in the splits, and a digest of their names, classes and sizes."""
        photos = self.uncut
        rows = [
            (photos.paths[file].as_posix(), self._bytes(photos.paths[file]))
            for split, files in photos.photos.items()
            if split in (*self.splits, ALL)
            for file in files
        ]
        text = repr(sorted(rows)).encode(errors="surrogateescape")
        return {"count": len(rows), "sha256": hashlib.sha256(text).hexdigest()}

    def _bytes(self, path: Path) -> int:
        try:
            return (self.root / path).stat().st_size
        except OSError:
            return -1

    def path(self, file: Path) -> Path:
        """The path of a photo of `files`."""
        return self.root / self.listing.paths[file]

    def stamp(self, file: Path) -> tuple[int, int]:
        """A file's bytes and when it was changed, in nanoseconds; -1 where it cannot be opened."""
        try:
            status = self.path(file).stat()
        except OSError:
            return -1, -1
        return status.st_size, status.st_mtime_ns

    @cached_property
    def species(self) -> tuple[str, ...]:
        """Names of the training photos' species, sorted: the order of the logits."""
        files = self.files.get("train") or self.files.get(ALL) or []
        return tuple(sorted({file.parts[1] for file in files}))

    def check(self) -> None:
        """Raise PhotoSetError unless every split holds photos of the same species."""
        self.check_before_cut()
        if missing := self.missing:
            raise PhotoSetError(
                f"{self.root} has no photos in a folder {missing[0]}, and no run beside the "
                "checkpoints has cut them: python -m trainer does, and --checkpoints names the "
                "folder that its runs are in."
            )

    def check_before_cut(self) -> None:
        """As `check`, but val and test may be missing, or all splits, to be cut from the rest."""
        missing = self.missing
        if "train" in missing and ALL not in self.files:
            held = in_words(self.listing.left_out)
            raise PhotoSetError(
                f"{self.root} has no photos to train on{f' (it holds {held})' if held else ''}: "
                f"{LAYOUT}"
            )
        if len(self.species) < 2:
            raise PhotoSetError(
                f"{self.root} has training photos of {len(self.species)} species: two are needed. "
                "Each has a folder of its own."
            )
        if bad := [name for name in self.species if not is_species_name(name)]:
            raise PhotoSetError(
                f"The folder {bad[0]!r} in {self.root} does not have the name of a species "
                f"({SPECIES_RULE}): rename it in every split."
            )
        for split in SPLITS:
            if split in missing:
                continue
            found = {file.parts[1] for file in self.files[split]}
            if lacking := sorted(set(self.species) - found):
                raise PhotoSetError(
                    f"{self.root / split} has no photo of {', '.join(lacking)}: add photos "
                    "or remove the species from every split."
                )
            if unknown := sorted(found - set(self.species)):
                raise PhotoSetError(
                    f"{self.root / split} has {', '.join(unknown)}, which "
                    f"{self.root / 'train'} lacks: the splits must hold the same species."
                )

    def load(self, split: str, size: int, cache: Path) -> PhotoSet:
        """Photos of a split squeezed to `size` x `size`, decoded once and kept below `cache`.

        The kept copy is replaced when a file was added, removed or changed. Several processes may
        ask at once: one decodes, the others wait for it.

        Raises:
            PhotoSetError: no photo can be read, or the disk is full.
        """
        files = self.files[split]
        state = [READER, CACHE, *([str(file), *self.stamp(file)] for file in files)]
        key = hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]
        home = cache / hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:8]
        stem = f"{split}-{size}"
        array, index = home / f"{stem}-{key}.npy", home / f"{stem}-{key}.json"
        try:
            home.mkdir(parents=True, exist_ok=True)
            with FileLock(home / f"{stem}.lock"):
                if not array.exists():
                    self._decode(split, size, array, index)
                    for old in home.glob(f"{stem}-*"):
                        if key not in old.name:
                            with suppress(PermissionError):  # Windows: another process maps it
                                old.unlink()
        except OSError as error:
            raise PhotoSetError(
                f"The decoded photos could not be kept in {home} ({error.strerror}): make room "
                "there, or name another folder with --output."
            ) from error
        kept = json.loads(index.read_text(encoding="utf-8"))
        number = {name: index for index, name in enumerate(self.species)}
        good = [file for file in files if str(file) not in kept["skipped"]]
        labels = np.array([number[file.parts[1]] for file in good], dtype=np.int64)
        return PhotoSet(array, labels, self.species, kept["skipped"], kept["fingerprint"])

    def _decode(self, split: str, size: int, array: Path, index: Path) -> None:
        """Squeeze every photo of a split; the array is written last: where it is, all is done."""
        files = self.files[split]

        def squeeze(file: Path) -> tuple[NDArray[np.uint8] | str, str]:
            """The photo's square, or why there is none; and the digest of the file."""
            try:
                data = self.path(file).read_bytes()
            except OSError as error:
                return f"This file cannot be opened ({error.strerror}).", "unread"
            digest = hashlib.sha256(data).hexdigest()
            try:
                return squeezed(data, size), digest
            except PhotoError as error:
                return str(error), digest

        skipped: dict[str, str] = {}
        digests, kept = [], 0
        with replacing(array) as temporary:
            start = _allocate(temporary, (len(files), size, size, 3))
            with ThreadPoolExecutor(os.cpu_count()) as pool, temporary.open("r+b") as pixels:
                pixels.seek(start)
                results = pool.map(squeeze, files)
                label = f"decoding {split} photos to {size} px"
                for file, (square, digest) in tqdm(
                    zip(files, results, strict=True), label, len(files), unit=" photos"
                ):
                    digests.append(f"{file} {digest}")
                    if isinstance(square, str):
                        skipped[str(file)] = square
                    else:
                        pixels.write(square.tobytes())
                        kept += 1
            if not kept:
                raise PhotoSetError(f"None of the photos in {self.root / split} can be read.")
            names = "\n".join(digests).encode(errors="surrogateescape")
            summary = {"skipped": skipped, "fingerprint": hashlib.sha256(names).hexdigest()}
            with replacing(index) as temporary_index:
                temporary_index.write_text(json.dumps(summary), encoding="utf-8")


@dataclass(frozen=True)
class OutlierFolder(PhotoFolder):
    """Photos of none of the species on disk, in a folder for each kind, which `species` names."""

    splits = (OUTLIERS,)

    @cached_property
    def listing(self) -> PhotoSetListing:
        """All photos, as those of one split."""
        try:
            found = list_photos(self.root)
        except OSError as error:
            raise PhotoSetError(
                f"{self.root} cannot be read ({error.strerror}): {OUTLIER_LAYOUT}"
            ) from error
        inside = [photo for photo in found.photos if len(photo.parts) > 1]
        outside = [photo for photo in found.photos if len(photo.parts) == 1]
        paths = {Path(OUTLIERS) / photo: photo for photo in inside}
        left_out = found.left_out | {OUTSIDE_CLASSES: outside}
        return PhotoSetListing(self.root, {OUTLIERS: list(paths)}, paths, left_out)

    @cached_property
    def species(self) -> tuple[str, ...]:
        """Names of the kinds, sorted."""
        return tuple(sorted({file.parts[1] for file in self.files[OUTLIERS]}))

    def check(self) -> None:
        """Raise PhotoSetError unless there is a photo in a folder."""
        if not self.species:
            raise PhotoSetError(f"{self.root} has no photos in a folder: {OUTLIER_LAYOUT}")


def read_splits(table: Path) -> dict[str, str]:
    """The split of each photo that a run has cut, by its path in the photos' folder.

    Raises: PhotoSetError where the file cannot be read.
    """
    try:
        with table.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
            return {row["file"]: row["split"] for row in csv.DictReader(file)}
    except (OSError, KeyError) as error:
        raise PhotoSetError(
            f"{table} cannot be read as a table of files and splits: delete it, and python -m "
            "trainer cuts the photos again."
        ) from error


def with_splits(listing: PhotoSetListing, splits: Mapping[str, str]) -> PhotoSetListing:
    """The listing with those photos in the splits that a table names, by their paths."""
    photos: dict[str, list[Path]] = {}
    paths: dict[Path, Path] = {}
    for photo, path in listing.paths.items():
        split = splits.get(path.as_posix(), photo.parts[0])
        new = Path(split, *photo.parts[1:])
        while new in paths:
            new = new.with_stem(f"{new.stem}-2")
        paths[new] = path
        photos.setdefault(split, []).append(new)
    order = dict.fromkeys((*(split for split in SPLITS if split in photos), *sorted(photos)))
    ordered = {split: sorted(photos[split]) for split in order}
    return PhotoSetListing(listing.root, ordered, paths, listing.left_out)


def read_squeezed(path: Path, size: int) -> NDArray[np.uint8]:
    """A photo's file -> (size, size, 3) uint8 RGB, as in the app; raises OSError, PhotoError."""
    return squeezed(path.read_bytes(), size)


def squeezed(data: bytes, size: int) -> NDArray[np.uint8]:
    """A photo file's bytes -> (size, size, 3) uint8 RGB; raises PhotoError."""
    return np.asarray(resized(read_photo(data, limited=False), size))


def report_left_out(source: PhotoFolder, sets: Iterable[PhotoSet]) -> None:
    """Name the photos that cannot be read, with the reason, and count what else was left out."""
    skipped = {file: why for photos in sets for file, why in photos.skipped.items()}
    for file, why in sorted(skipped.items()):
        print(f"skipped: {printable(source.path(Path(file)))}: {why}", file=sys.stderr)
    left_out = source.listing.left_out | {UNREADABLE: [Path(file) for file in skipped]}
    others = [
        file
        for split, files in source.files.items()
        if split not in source.splits
        for file in files
    ]
    left_out[OUTSIDE_SPLITS] = [*left_out.get(OUTSIDE_SPLITS, ()), *others]
    if words := in_words(left_out):
        print(f"left out: {words}", file=sys.stderr)


def check_every_species(source: PhotoFolder, sets: Mapping[str, PhotoSet]) -> None:
    """Raise PhotoSetError where a species has no photo in a split that can be read."""
    for split, photos in sets.items():
        counts = np.bincount(photos.labels, minlength=len(photos.species))
        if lacking := [photos.species[index] for index in np.flatnonzero(counts == 0)]:
            raise PhotoSetError(
                f"None of the photos of {', '.join(lacking)} in the split {split} of {source.root} "
                "can be read: replace them, or remove the species from every split."
            )


def _allocate(path: Path, shape: tuple[int, ...]) -> int:
    """Make a .npy file of uint8 with its blocks reserved: a full disk is an error at once.

    Returns: where its pixels start. It is not mapped: Windows moves and removes no mapped file.
    """
    header = {"descr": "|u1", "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        start, size = file.tell(), math.prod(shape)
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, start + size)
        else:  # macOS and Windows
            for done in range(0, size, BLOCK):
                file.write(bytes(min(BLOCK, size - done)))
    return start


def spread(labels: NDArray[np.int64], count: int) -> list[int]:
    """Indices of `count` photos of each species, evenly spaced among its own; all where fewer."""
    chosen = []
    for species in np.unique(labels):
        own = np.flatnonzero(labels == species)
        chosen += own[np.linspace(0, len(own) - 1, min(count, len(own))).astype(int)].tolist()
    return chosen
