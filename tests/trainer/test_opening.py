from pathlib import Path

import numpy as np
import pytest

from trainer.data.photo_set import PhotoSet
from trainer.opening import duration, photos_in_words


def counted(counts: dict[str, list[int]]) -> dict[str, PhotoSet]:
    names = tuple(f"Class-{number:02}" for number in range(len(counts["train"])))
    return {
        split: PhotoSet(Path(), np.repeat(np.arange(len(each)), each), names, {}, "")
        for split, each in counts.items()
    }


def test_few_classes_stand_in_a_table_with_a_row_each():
    lines = photos_in_words(counted({"train": [14, 15], "val": [3, 3], "test": [2, 3]}), False)
    assert [line.split() for line in lines] == [
        ["photos", "train", "val", "test"],
        ["Class-00", "14", "3", "2"],
        ["Class-01", "15", "3", "3"],
        ["all", "29", "6", "5"],
    ]


def test_many_classes_take_one_line():
    counts = {"train": [20] * 59 + [30], "val": [4] * 60, "test": [5] * 60}
    (line,) = photos_in_words(counted(counts), False)
    assert "60 classes" in line
    assert "train 1,210" in line
    assert "train 20 to 30" in line


@pytest.mark.parametrize("balance", [False, True])
def test_uneven_and_small_classes_are_named(balance):
    found = counted({"train": [80, 4, 30], "val": [3] * 3, "test": [3] * 3})
    uneven, few = photos_in_words(found, balance)[-2:]
    assert "uneven (Class-00 80, Class-01 4 training photos)" in uneven
    assert ("--balance" in uneven) is not balance
    assert "Few training photos: Class-01 4." in few


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "10 seconds"), (44, "40 seconds"), (200, "3 minutes"), (9000, "2.5 hours")],
)
def test_times_are_rounded_as_people_do(seconds, words):
    assert duration(seconds) == words
