"""ImageFolder -> decoded once into a memory-mapped uint8 array."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from tqdm import tqdm

from plumage.contract import SPECIES_RULE, is_species_name
from plumage.photos import READER, PhotoError, read_photo, resized
from trainer.utils.cli import UserError
from trainer.utils.files import replacing

SPLITS = ("train", "val", "test")
# Those of torchvision's ImageFolder, whose import takes seconds.
ENDINGS = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


class PhotoSetError(UserError):
    """A photo folder that cannot be trained on; the message says what to do about it."""


@dataclass(frozen=True)
class PhotoSet:
    """The photos of one split, squeezed to squares.

    Attributes:
        array: .npy file of the pixels.
        labels: (photos,) int64, indices into `species`.
        species: names of the species, sorted.
        skipped: files that could not be read.
        fingerprint: hexadecimal digest of the files' names and bytes.
    """

    array: Path
    labels: NDArray[np.int64]
    species: tuple[str, ...]
    skipped: tuple[str, ...]
    fingerprint: str

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(photos, size, size, 3) uint8, mapped from the file, so that no process copies them."""
        return np.load(self.array, mmap_mode="r")


@dataclass(frozen=True)
class PhotoFolder:
    """A folder in torchvision's ImageFolder layout: train/, val/, test/, a folder a species."""

    root: Path

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """Photo files of each split, sorted, relative to the folder."""
        return {
            split: sorted(
                file.relative_to(self.root)
                for file in (self.root / split).glob("*/*")
                if file.suffix.lower() in ENDINGS
            )
            for split in SPLITS
        }

    @cached_property
    def species(self) -> tuple[str, ...]:
        """Names of the training split's folders, sorted: the order of the logits."""
        return tuple(sorted(p.name for p in (self.root / "train").iterdir() if p.is_dir()))

    def check(self) -> None:
        """Raise PhotoSetError unless every split holds photos of the same species."""
        if missing := [split for split in SPLITS if not (self.root / split).is_dir()]:
            raise PhotoSetError(
                f"{self.root} has no folder {missing[0]}: --data names a folder with train, val "
                "and test inside, each with one folder of photos a species; the photos of 25 "
                'Indian birds are to be had from Kaggle ("25 Indian bird species").'
            )
        if len(self.species) < 2:
            raise PhotoSetError(
                f"{self.root / 'train'} has {len(self.species)} species folders: two are needed."
            )
        if bad := [name for name in self.species if not is_species_name(name)]:
            raise PhotoSetError(
                f"The folder {bad[0]!r} in {self.root / 'train'} does not have the name of a "
                f"species ({SPECIES_RULE}): rename it in every split."
            )
        for split in SPLITS:
            found = {file.parts[1] for file in self.files[split]}
            if lacking := sorted(set(self.species) - found):
                raise PhotoSetError(
                    f"{self.root / split} has no photo of {', '.join(lacking)}: add photos "
                    "(JPEG, PNG, WebP) or remove the species from every split."
                )
            if unknown := sorted(found - set(self.species)):
                raise PhotoSetError(
                    f"{self.root / split} has {', '.join(unknown)}, which "
                    f"{self.root / 'train'} lacks: the splits must hold the same species."
                )

    def load(self, split: str, size: int, cache: Path) -> PhotoSet:
        """Photos of a split squeezed to `size` x `size`, decoded once and kept below `cache`.

        The kept copy is made anew when a file was added, removed or changed. Several processes may
        ask at once: one decodes, the others wait for it.

        Raises:
            PhotoSetError: no photo can be read, or the disk is full.
        """
        files = self.files[split]
        stats = [(self.root / file).stat() for file in files]
        state = [
            READER,
            *([str(f), s.st_size, s.st_mtime_ns] for f, s in zip(files, stats, strict=True)),
        ]
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
                            old.unlink()
        except OSError as error:
            raise PhotoSetError(
                f"The decoded photos could not be kept in {home} ({error.strerror}): make room "
                "there, or name another folder with --output."
            ) from error
        kept = json.loads(index.read_text())
        skipped = set(kept["skipped"])
        good = [file for file in files if str(file) not in skipped]
        labels = np.array([self.species.index(file.parts[1]) for file in good], dtype=np.int64)
        return PhotoSet(array, labels, self.species, tuple(kept["skipped"]), kept["fingerprint"])

    def _decode(self, split: str, size: int, array: Path, index: Path) -> None:
        """Squeeze every photo of a split; the array is written last: where it is, all is done."""
        files = self.files[split]

        def squeeze(file: Path) -> tuple[NDArray[np.uint8] | None, str]:
            data = (self.root / file).read_bytes()
            digest = hashlib.sha256(data).hexdigest()
            try:
                return squeezed(data, size), digest
            except PhotoError:
                return None, digest

        skipped, digests, kept = [], [], 0
        with replacing(array) as temporary:
            pixels = _allocate(temporary, (len(files), size, size, 3))
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                results = pool.map(squeeze, files)
                label = f"decoding {split} photos to {size} px"
                for file, (square, digest) in tqdm(
                    zip(files, results, strict=True), label, len(files), unit=" photos"
                ):
                    digests.append(f"{file} {digest}")
                    if square is None:
                        skipped.append(str(file))
                    else:
                        pixels[kept] = square
                        kept += 1
            if not kept:
                raise PhotoSetError(f"None of the photos in {self.root / split} can be read.")
            pixels.flush()
            del pixels
            if skipped:
                _shorten(temporary, kept)
            summary = {
                "skipped": skipped,
                "fingerprint": hashlib.sha256("\n".join(digests).encode()).hexdigest(),
            }
            with replacing(index) as temporary_index:
                temporary_index.write_text(json.dumps(summary))


def read_squeezed(path: Path, size: int) -> NDArray[np.uint8]:
    """A photo's file -> (size, size, 3) uint8 RGB, as in the app; raises OSError, PhotoError."""
    return squeezed(path.read_bytes(), size)


def squeezed(data: bytes, size: int) -> NDArray[np.uint8]:
    """A photo file's bytes -> (size, size, 3) uint8 RGB; raises PhotoError."""
    return np.asarray(resized(read_photo(data, limited=False), size))


def _allocate(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A new .npy file mapped for writing, its blocks reserved: a full disk is an error here and
    now, not a crash at some later page."""
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return pixels


def _shorten(path: Path, kept: int) -> None:
    """Rewrite a .npy file with its first `kept` rows only."""
    whole = np.load(path, mmap_mode="r")
    with replacing(path.with_suffix(".kept")) as temporary:
        short = _allocate(temporary, (kept, *whole.shape[1:]))
        short[:] = whole[:kept]
        short.flush()
    path.with_suffix(".kept").replace(path)


def spread(labels: NDArray[np.int64], count: int) -> list[int]:
    """Indices of `count` photos of each species, evenly spaced among its own; all where fewer."""
    chosen = []
    for species in np.unique(labels):
        own = np.flatnonzero(labels == species)
        chosen += own[np.linspace(0, len(own) - 1, min(count, len(own))).astype(int)].tolist()
    return chosen
