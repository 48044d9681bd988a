"""A photo set on disk: its listing, its splits and what is wrong with it."""

import csv
import hashlib
import sys
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from plumage.contract import SPECIES_RULE, is_species_name
from plumage.folders import (
    ALL,
    OUTSIDE_SPLITS,
    SPLITS,
    UNREADABLE,
    PhotoSetListing,
    in_words,
    list_photo_set,
    printable,
    split_of,
)
from trainer.data.photo_set import PhotoSet, PhotoSetError, load
from trainer.recipe import Recipe

LAYOUT = (
    "--data names a folder with one folder of photos a class, or with train, val and test of such "
    "folders (what is missing of the three is cut from the photos that are there); --data demo "
    "draws a set to try it with."
)
NO_TABLES = "Labels in tables or in files beside the photos are not read."


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
        missing, named = self.missing, ", ".join(self.species)
        if "train" in missing and ALL not in self.files:
            held = ", ".join(filter(None, (*self.files, in_words(self.listing.left_out))))
            raise PhotoSetError(
                f"{self.root} has no photos to train on{f' (it holds {held})' if held else ''}: "
                f"{LAYOUT} {NO_TABLES}"
            )
        if ALL in self.files and all(map(split_of, self.species)):
            raise PhotoSetError(
                f"The photos in {named} of {self.root} are in no class folders: move each into a "
                f"folder of its class, such as {self.species[0]}/CLASS. {NO_TABLES}"
            )
        if len(self.species) < 2:
            raise PhotoSetError(
                f"{self.root} has training photos of one class, {named}: two are needed. Each has "
                f"a folder of its own. {NO_TABLES}"
            )
        if bad := [name for name in self.species if not is_species_name(name)]:
            raise PhotoSetError(
                f"The folder {bad[0]!r} in {self.root} does not have the name of a class "
                f"({SPECIES_RULE}): rename it in every split."
            )
        for split in SPLITS:
            if split in missing:
                continue
            found = {file.parts[1] for file in self.files[split]}
            lacking, unknown = sorted(set(self.species) - found), sorted(found - set(self.species))
            also = f", and has {', '.join(unknown)}, which train lacks" if unknown else ""
            if lacking:
                raise PhotoSetError(
                    f"{self.root / split} has no photo of {', '.join(lacking)}{also}: the splits "
                    f"must hold the same classes. Add photos, rename folders, or move the folder "
                    f"{split} out of {self.root}, so that it is cut from train."
                )
            if unknown:
                raise PhotoSetError(
                    f"{self.root / split} has {', '.join(unknown)}, which "
                    f"{self.root / 'train'} lacks: the splits must hold the same classes."
                )

    def load(self, split: str, size: int, cache: Path) -> PhotoSet:
        """Photos of a split squeezed to `size` x `size`, decoded once and kept below `cache`.

        Raises:
            PhotoSetError: no photo can be read, or the disk is full.
        """
        files = {file: self.path(file) for file in self.files[split]}
        home = cache / hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:8]
        return load(files, self.species, split, size, home)


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
