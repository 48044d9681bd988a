"""Sentences about photos and time before the first epoch. Imports no torch."""

from collections.abc import Mapping

import numpy as np

from plumage.folders import SPLITS
from trainer.data.photo_set import PhotoSet

MAX_ROWS = 12  # classes in a table; of more a summary is printed
FEW = 10  # training photos of a class; fewer teach little
UNEVEN = 2  # times as many photos in the largest class as in the smallest


def is_uneven(counts: np.ndarray) -> bool:
    """Whether classes (C,) have very different numbers of photos; those without any aside."""
    counts = counts[counts > 0]
    return bool(counts.max() >= UNEVEN * counts.min())


def photos_in_words(photos: Mapping[str, PhotoSet], balance: bool) -> list[str]:
    """Lines about how many photos each class has in each split.

    Args:
        photos: of the splits.
        balance: whether every class is drawn equally often.
    """
    names = photos["train"].species
    counts = {split: np.bincount(photos[split].labels, minlength=len(names)) for split in SPLITS}
    total = "  ".join(f"{split} {counts[split].sum():,}" for split in SPLITS)
    if len(names) > MAX_ROWS:
        each = "  ".join(
            f"{split} {count.min():,} to {count.max():,}" for split, count in counts.items()
        )
        lines = [f"{len(names)} classes, photos: {total}; of a class: {each}"]
    else:
        width = max(5, *map(len, names))
        lines = [f"{'photos':{width}}  " + "".join(f"{split:>8}" for split in SPLITS)]
        for number, name in enumerate(names):
            row = "".join(f"{counts[split][number]:8,}" for split in SPLITS)
            lines.append(f"{name:{width}}  {row}")
        lines.append(f"{'all':{width}}  " + "".join(f"{counts[s].sum():8,}" for s in SPLITS))
    train = counts["train"]
    if is_uneven(train):
        most, least = int(train.argmax()), int(train.argmin())
        mend = "" if balance else "; --balance draws every class equally often"
        lines.append(
            f"Classes are uneven ({names[most]} {train[most]:,}, {names[least]} {train[least]:,} "
            f"training photos): the best epoch is chosen by macro F1{mend}."
        )
    few = [number for number in np.argsort(train, kind="stable") if train[number] < FEW]
    if few:
        told = ", ".join(f"{names[number]} {train[number]}" for number in few[:5])
        more = f" and {len(few) - 5} more" if len(few) > 5 else ""
        lines.append(f"Few training photos: {told}{more}. 20 photos of each class are a start.")
    return lines


def duration(seconds: float) -> str:
    """A time in words, rounded: `40 seconds`, `3 minutes`, `2.5 hours`."""
    if seconds < 90:
        return f"{max(10, round(seconds / 10) * 10)} seconds"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"
