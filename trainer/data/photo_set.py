"""The photos of a split, decoded once into a memory-mapped uint8 array."""

import hashlib
import json
import math
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from tqdm import tqdm

from plumage.photos import READER, PhotoError, read_photo, resized
from trainer.utils.cli import UserError
from trainer.utils.files import replacing

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


def load(
    files: Mapping[Path, Path], species: tuple[str, ...], split: str, size: int, home: Path
) -> PhotoSet:
    """The photos of a split squeezed to `size` x `size`, decoded once and kept in `home`.

    The kept copy is replaced when a file was added, removed or changed. Several processes may ask
    at once: one decodes, the others wait for it.

    Args:
        files: the path of each photo, by its name SPLIT/SPECIES/NAME.
        species: in the order of the labels.
        split: of the photos.
        size: in pixels.
        home: folder of kept copies.

    Raises:
        PhotoSetError: no photo can be read, or the disk is full.
    """
    state = [READER, CACHE, *([str(name), *stamp(path)] for name, path in files.items())]
    key = hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]
    stem = f"{split}-{size}"
    array, index = home / f"{stem}-{key}.npy", home / f"{stem}-{key}.json"
    try:
        home.mkdir(parents=True, exist_ok=True)
        with FileLock(home / f"{stem}.lock"):
            if not array.exists():
                _decode(files, split, size, array, index)
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
    number = {name: index for index, name in enumerate(species)}
    good = [name for name in files if str(name) not in kept["skipped"]]
    labels = np.array([number[name.parts[1]] for name in good], dtype=np.int64)
    return PhotoSet(array, labels, species, kept["skipped"], kept["fingerprint"])


def stamp(path: Path) -> tuple[int, int]:
    """A file's bytes and when it was changed, in nanoseconds; -1 where it cannot be opened."""
    try:
        status = path.stat()
    except OSError:
        return -1, -1
    return status.st_size, status.st_mtime_ns


def _decode(files: Mapping[Path, Path], split: str, size: int, array: Path, index: Path) -> None:
    """Squeeze every photo of a split; the array is written last: where it is, all is done."""

    def squeeze(path: Path) -> tuple[NDArray[np.uint8] | str, str]:
        """The photo's square, or why there is none; and the digest of the file."""
        try:
            data = path.read_bytes()
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
            results = pool.map(squeeze, files.values())
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
            raise PhotoSetError(
                f"None of the photos in {os.path.commonpath(files.values())} can be read."
            )
        names = "\n".join(digests).encode(errors="surrogateescape")
        summary = {"skipped": skipped, "fingerprint": hashlib.sha256(names).hexdigest()}
        with replacing(index) as temporary_index:
            temporary_index.write_text(json.dumps(summary), encoding="utf-8")


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


def read_squeezed(path: Path, size: int) -> NDArray[np.uint8]:
    """A photo's file -> (size, size, 3) uint8 RGB, as in the app; raises OSError, PhotoError."""
    return squeezed(path.read_bytes(), size)


def squeezed(data: bytes, size: int) -> NDArray[np.uint8]:
    """A photo file's bytes -> (size, size, 3) uint8 RGB; raises PhotoError."""
    return np.asarray(resized(read_photo(data, limited=False), size))


def stratified_subset(labels: NDArray[np.int64], count: int) -> list[int]:
    """Indices of `count` photos of each species, evenly spaced among its own; all where fewer."""
    chosen = []
    for species in np.unique(labels):
        own = np.flatnonzero(labels == species)
        chosen += own[np.linspace(0, len(own) - 1, min(count, len(own))).astype(int)].tolist()
    return chosen
