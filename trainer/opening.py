"""Sentences about photos and time before the first epoch. Imports no torch."""

from collections.abc import Mapping

import numpy as np

from plumage.folders import ALL, SPLITS, counted, printable
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet
from trainer.recipe import Recipe

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


def nested_in_words(source: PhotoFolder) -> str:
    """A sentence where every class holds the same folders, which may be the classes; else empty."""
    photos = source.uncut.photos.get(ALL, [])
    inside = {
        name: {file.parts[2:-1][:1] for file in photos if file.parts[1] == name}
        for name in source.species
    }
    folders = next(iter(inside.values()), set())
    if len(folders) < 2 or () in folders or any(each != folders for each in inside.values()):
        return ""
    names = ", ".join(sorted(name for (name,) in folders))
    return (
        f"Every class folder holds the folders {printable(names)}, which are not told apart. If "
        f"these are the classes, --data names a folder that holds them, such as "
        f"{printable(source.root / source.uncut.paths[photos[0]].parents[1])}."
    )


def time_in_words(recipe: Recipe, done: int, steps: int, seconds: float) -> str:
    """Time that the epochs left take, without a full stop.

    Args:
        recipe: of the run.
        done: epochs that are behind it.
        steps: of an epoch.
        seconds: of all epochs that are left.
    """
    left = f"the last {recipe.epochs - done:,} of " if done else ""
    run = f"{recipe.norm}, seed {recipe.seed}"
    epochs, each = counted(recipe.epochs, "epoch"), counted(steps, "step")
    return f"{run}: {left}{epochs} of {each} take about {duration(seconds)}"


def duration(seconds: float) -> str:
    """A time in words, rounded: `40 seconds`, `3 minutes`, `2.5 hours`."""
    if seconds < 90:
        return f"{max(10, round(seconds / 10) * 10)} seconds"
    if seconds < 5400:
        return f"{round(seconds / 60)} minutes"
    return f"{seconds / 3600:.1f} hours"
