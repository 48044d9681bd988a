"""The splits that a photo set lacks, cut from its photos; no file is moved or copied.

Each class is shared out alike, and near-duplicates, as the audit finds them, stay in one split.
The draw depends on the photos alone, so all runs on a folder share one cut.
"""

import csv
import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from plumage.contract import SPLIT_TABLE
from plumage.folders import ALL, printable
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSetError, stamp
from trainer.run_folder import has_state
from trainer.utils.files import replacing

GROUP = "near_duplicate_group"
SHARE = 0.15  # of the photos of each class, for each of val and test
MAX_TRIES = 20  # at a draw that gives every class a photo in every split


def open_photos(root: Path, folder: Path, cache: Path) -> PhotoFolder:
    """The photo set of a run, with splits.csv written into the run's folder where it lacks splits.

    Args:
        root: folder of the photos.
        folder: of the run; one under way keeps the splits that it was started with.
        cache: where the cut and decoded photos are kept.

    Raises:
        PhotoSetError: the photos cannot be trained on, or a class is too small to be cut.
    """
    source = PhotoFolder(root)
    source.check_before_cut()
    if not source.missing:
        return source
    table = folder / SPLIT_TABLE
    if not (has_state(folder) and table.exists()):
        kept = cut(source, cache)
        with replacing(table) as temporary:
            temporary.write_bytes(kept.read_bytes())
    split = PhotoFolder(root, table)
    split.check()
    return split


def cut_in_words(source: PhotoFolder) -> str:
    """A sentence on the photos set aside for missing splits; empty if none is missing."""
    if source.split_table is None:
        return ""
    aside = [split for split in PhotoFolder(source.root).missing if split != "train"]
    counts = [len(source.files[split]) for split in aside]
    total = len(source.files["train"]) + sum(counts)
    groups: dict[str, set[str]] = {}
    with source.split_table.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        rows = list(csv.DictReader(file))
    for row in rows:
        groups.setdefault(row[GROUP], set()).add(row["split"])
    divided = {
        Path(row["file"]).parent.name
        for row in rows
        if row[GROUP] and row["split"] in aside and len(groups[row[GROUP]]) > 1
    }
    kept = "near-duplicates kept together"
    if divided:
        kept += f", but not those of {printable(', '.join(sorted(divided)))}: too few scenes"
    return (
        f"no {' or '.join(aside)} split: {' and '.join(f'{n:,}' for n in counts)} of {total:,} "
        f"photos set aside, {kept} ({source.split_table})"
    )


def cut(source: PhotoFolder, cache: Path) -> Path:
    """Cut the splits that a set lacks from its training photos.

    Returns:
        A table of the files, relative to the set's folder, their splits and their near-duplicate
        groups. It is kept below `cache` until a file is added, removed or changed.

    Raises:
        PhotoSetError: a class has too few photos.
    """
    from trainer.audit.detect.duplicates import near_duplicate_groups
    from trainer.audit.detect.survey import survey

    donor = ALL if ALL in source.files else "train"
    check_sizes(source, donor)
    state = [
        (path.as_posix(), stamp(source.path(file))) for file, path in source.listing.paths.items()
    ]
    key = hashlib.sha256(repr(sorted(state)).encode(errors="surrogateescape")).hexdigest()[:16]
    table = cache / "splits" / f"{key}.csv"
    table.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(table.with_suffix(".lock")):
        if table.exists():
            return table
        photos = survey(source.root, cache)
        print("Looking for near-duplicates, which must not lie in two splits.")
        groups = near_duplicate_groups(photos)
        there = photos.splits == donor
        elsewhere = np.isin(groups, groups[~there & np.isin(photos.splits, ["val", "test"])])
        free = np.flatnonzero(there & ~elsewhere)
        wanted = [split for split in source.missing if split != "train"]
        drawn = draw(photos.labels[free], groups[free], len(wanted))
        splits = np.where(there, "train", photos.splits).astype(object)
        for number, split in enumerate(wanted):
            splits[free[drawn == number + 1]] = split
        with replacing(table) as temporary:
            opened = temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape")
            with opened as file:
                rows = csv.writer(file)
                rows.writerow(["file", "split", GROUP])
                for index, name in enumerate(photos.files):
                    path = source.listing.paths[name]
                    rows.writerow([path.as_posix(), splits[index], groups[index]])
                for name in photos.unreadable:
                    kept = "train" if name.parts[0] == donor else name.parts[0]
                    rows.writerow([source.listing.paths[name].as_posix(), kept, ""])
    return table


def check_sizes(source: PhotoFolder, donor: str) -> None:
    """Raise PhotoSetError where a class has fewer photos than there will be splits."""
    needed = 1 + len([split for split in source.missing if split != "train"])
    counts = Counter(file.parts[1] for file in source.files[donor])
    if small := sorted(name for name, count in counts.items() if count < needed):
        told = ", ".join(printable(f"{name} ({counts[name]})") for name in small[:5])
        more = f" and {len(small) - 5} more" if len(small) > 5 else ""
        raise PhotoSetError(
            f"{source.root} has too few photos of {told}{more} to set some aside for "
            f"{' and '.join(s for s in source.missing if s != 'train')}: add photos until there "
            f"are {needed} of each, better 20, or move these folders out of it."
        )


def draw(labels: NDArray[np.int64], groups: NDArray[np.int64], parts: int) -> NDArray[np.int64]:
    """Share photos out, SHARE of each class to each of some parts, groups undivided.

    A class of fewer groups than needed is shared out photo by photo: else a split would lack it.

    Args:
        labels: (N,) the class of each photo.
        groups: (N,) numbers; near-duplicates have the same one.
        parts: how many besides train.

    Returns:
        (N,) 0 for train, 1 to `parts` for the others.
    """
    groups = groups.copy()
    classes = np.unique(labels)
    for _ in range(2):  # the second time with the groups of classes divided that were not cut
        for seed in range(MAX_TRIES):
            drawn = _draw(labels, groups, parts, np.random.default_rng(seed))
            lacking = [one for one in classes if len(np.unique(drawn[labels == one])) < parts + 1]
            if not lacking:
                return drawn
        alone = np.isin(labels, lacking)
        groups[alone] = groups.max() + 1 + np.arange(alone.sum())
    return drawn


def _draw(
    labels: NDArray[np.int64],
    groups: NDArray[np.int64],
    parts: int,
    generator: np.random.Generator,
) -> NDArray[np.int64]:
    """One draw: groups in random order go to the first part that has room for all their classes."""
    drawn = np.zeros(len(labels), np.int64)
    count = np.bincount(labels)
    quota = np.maximum(1, np.round(SHARE * count)).astype(int)
    room = np.tile(quota, (parts, 1))
    order = np.argsort(groups, kind="stable")
    members: Sequence[NDArray[np.int64]] = np.split(
        order, np.flatnonzero(np.diff(groups[order])) + 1
    )
    left = count.copy()  # for train
    for number in generator.permutation(len(members)):
        group = members[number]
        needed = np.bincount(labels[group], minlength=len(count))
        for part in range(parts):
            if (needed <= room[part]).all() and (left - needed >= (count > 0)).all():
                room[part] -= needed
                left -= needed
                drawn[group] = part + 1
                break
    return drawn
