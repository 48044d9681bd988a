"""A photo set as the audit sees it: what each file is, and every photo squeezed in the cache."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import astuple, dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from plumage.folders import in_words
from plumage.photos import PhotoError, read_header
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet, PhotoSetError
from trainer.recipe import Recipe
from trainer.utils.files import replacing

Item = TypeVar("Item")
Result = TypeVar("Result")

AT_ONCE = 8  # items that a thread takes at a time, at most


def in_threads(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """Map `work` over items in order, with a thread on each core."""
    cv2.setNumThreads(1)  # it would share a photo out among the cores again
    waiting = list(items)
    cores = os.cpu_count() or 1
    size = min(AT_ONCE, 1 + len(waiting) // (4 * cores))
    blocks = [waiting[start : start + size] for start in range(0, len(waiting), size)]
    with ThreadPoolExecutor(cores) as pool:
        done = pool.map(lambda block: [work(item) for item in block], blocks)
        return [result for block in done for result in block]


class AnyFolder(PhotoFolder):
    """A photo set whose splits need not hold the same species, or that has none."""

    @property
    def files(self) -> dict[str, list[Path]]:
        """Photos of each split as SPLIT/SPECIES/NAME; splits and photos sorted."""
        return dict(sorted(super().files.items()))

    @cached_property
    def species(self) -> tuple[str, ...]:
        """Names of the species folders of all splits, sorted."""
        return tuple(sorted({f.parts[1] for files in self.files.values() for f in files}))


@dataclass(frozen=True)
class Header:
    """A file's header, before its pixels are decoded.

    Attributes:
        digest: of its bytes.
        size: width and height, upright.
        tables: a JPEG's quantisation tables, one after the other; else empty.
        fault: why it cannot be opened, or empty.
    """

    digest: str
    size: tuple[int, int]
    tables: tuple[int, ...]
    fault: str


class Pixels:
    """Photos of several arrays (n, S, S, 3), one after the other, none of them copied."""

    def __init__(self, arrays: list[NDArray[np.uint8]]) -> None:
        self.arrays = arrays
        self.ends = np.cumsum([len(array) for array in arrays])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        part = int(np.searchsorted(self.ends, index, side="right"))
        start = self.ends[part - 1] if part else 0
        return np.ascontiguousarray(self.arrays[part][index - start])


@dataclass(frozen=True)
class Survey:
    """All readable photos of a set, split after split.

    Attributes:
        source: the set's folder.
        files: of the photos, as SPLIT/SPECIES/NAME; `source.path` says where each lies.
        headers: of the files.
        pixels: of the photos, squeezed.
        species: names, sorted.
        unreadable: other files, and why they cannot be read.
    """

    source: PhotoFolder
    files: list[Path]
    headers: list[Header]
    pixels: Pixels
    species: tuple[str, ...]
    unreadable: dict[Path, str]

    def __len__(self) -> int:
        return len(self.files)

    @property
    def root(self) -> Path:
        """The set's folder."""
        return self.source.root

    @cached_property
    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of each photo before it was squeezed."""
        return [header.size for header in self.headers]

    @cached_property
    def splits(self) -> NDArray[np.str_]:
        """(photos,) the split of each."""
        return np.array([file.parts[0] for file in self.files])

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """(photos,) the species of each, as an index."""
        number = {name: index for index, name in enumerate(self.species)}
        return np.array([number[file.parts[1]] for file in self.files])


def survey(root: Path, cache: Path, splits: Path | None = None) -> Survey:
    """Read a photo set; its squeezed photos are kept below `cache`, as for training.

    splits: splits.csv of a run that cut splits; None for the folder's own.

    Raises:
        PhotoSetError: there is no photo, or the cache cannot be written.
    """
    source = AnyFolder(root, splits)
    if not source.files:
        held = in_words(source.listing.left_out)
        raise PhotoSetError(
            f"{root} holds no photos in folders of species{f' (but {held})' if held else ''}: name "
            "a folder with, for example, train/Hoopoe/1.jpg and test/Hoopoe/2.jpg inside."
        )
    files: list[Path] = []
    unreadable: dict[Path, str] = {}
    arrays, headers = [], []
    for split, found in source.files.items():
        photos = source.load(split, Recipe.stored_size, cache)
        good = [file for file in found if str(file) not in photos.skipped]
        headers += headers_of([source.path(file) for file in good], photos)
        files += good
        unreadable |= {Path(file): why for file, why in photos.skipped.items()}
        arrays.append(photos.pixels)
    return Survey(source, files, headers, Pixels(arrays), source.species, unreadable)


def headers_of(files: list[Path], photos: PhotoSet) -> list[Header]:
    """The headers of files; cached beside their photos, if there is room."""
    kept = photos.array.with_suffix(".headers.json")
    with suppress(OSError, ValueError):  # not there, or cut short
        rows = json.loads(kept.read_text(encoding="utf-8"))
        found = [Header(digest, (w, h), tuple(t), why) for digest, (w, h), t, why in rows]
        if len(found) == len(files):
            return found
    headers = in_threads(header_of, files)
    with suppress(OSError), replacing(kept) as temporary:
        temporary.write_text(json.dumps([*map(astuple, headers)]), encoding="utf-8")
    return headers


def header_of(path: Path) -> Header:
    """A file's header; one that cannot be opened has a fault and no size."""
    data = path.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    if not data:
        return Header(digest, (0, 0), (), "empty file")
    try:
        header = read_header(data)
    except PhotoError:
        return Header(digest, (0, 0), (), "not a photo that can be read")
    return Header(digest, header.size, header.tables, "cut short or damaged")
