from pathlib import Path

import numpy as np
import pytest

from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet
from trainer.opening import duration, nested_in_words, photos_in_words, time_in_words
from trainer.recipe import Recipe


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
    ("files", "suspicious"),
    [
        (["flowers/Rose/1.jpg", "flowers/Iris/1.jpg", "copy/Rose/1.jpg", "copy/Iris/1.jpg"], True),
        (["Rose/buds/1.jpg", "Rose/open/2.jpg", "Iris/buds/1.jpg"], False),
        (["Rose/images/1.jpg", "Iris/images/1.jpg"], False),
        (["Rose/1.jpg", "Iris/1.jpg"], False),
    ],
)
def test_folders_that_every_class_holds_are_named_since_they_may_be_the_classes(
    files, suspicious, tmp_path
):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    said = nested_in_words(PhotoFolder(tmp_path))
    assert (said != "") == suspicious
    if suspicious:
        assert "folders Iris, Rose" in said
        assert str(tmp_path / "copy") in said


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "10 seconds"), (44, "40 seconds"), (200, "3 minutes"), (9000, "2.5 hours")],
)
def test_times_are_rounded_as_people_do(seconds, words):
    assert duration(seconds) == words


def test_the_time_is_that_of_the_epochs_that_are_left():
    recipe = Recipe(norm="gn", epochs=40)
    assert (
        time_in_words(recipe, 0, 15, 400)
        == "gn, seed 0: 40 epochs of 15 steps take about 7 minutes"
    )
    resumed = time_in_words(recipe, 38, 1, 20)
    assert resumed == "gn, seed 0: the last 2 of 40 epochs of 1 step take about 20 seconds"
