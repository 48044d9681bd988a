import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageOps

from trainer.audit.__main__ import main as audit_main
from trainer.checkpoint.reports import CheckpointArgs
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSetError
from trainer.run_folder import STATE
from trainer.splits import cut_in_words, draw, open_photos


def blotches(rng: np.random.Generator) -> Image.Image:
    """A photo like no other."""
    small = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8))
    return small.resize((96, 72), Image.Resampling.BICUBIC)


@pytest.fixture
def classes(tmp_path: Path) -> Path:
    """Two class folders alone: ten photos, each with a mirrored copy, in each."""
    rng, root = np.random.default_rng(3), tmp_path / "mine"
    for name in ("Crow", "Kite"):
        (root / name).mkdir(parents=True)
        for number in range(10):
            photo = blotches(rng)
            photo.save(root / name / f"{number}.png")
            ImageOps.mirror(photo).save(root / name / f"{number}-mirrored.png")
    return root


def opened(root: Path, tmp_path: Path, run: str = "run") -> PhotoFolder:
    return open_photos(root, tmp_path / run, tmp_path / "cache")


def test_class_folders_alone_are_cut_alike_and_near_duplicates_stay_together(classes, tmp_path):
    before = sorted(classes.rglob("*"))
    source = opened(classes, tmp_path)
    source.check()
    counts = {s: Counter(f.parts[1] for f in files) for s, files in source.files.items()}
    assert counts == {
        "train": {"Crow": 16, "Kite": 16},
        "val": {"Crow": 2, "Kite": 2},
        "test": {"Crow": 2, "Kite": 2},
    }
    split_of = {
        (file.parts[1], file.stem): split for split, files in source.files.items() for file in files
    }
    for (name, stem), split in split_of.items():
        assert split == split_of[name, stem.split("-")[0]]
    assert sorted(classes.rglob("*")) == before
    assert cut_in_words(source) == (
        "no val or test split: 4 and 4 of 40 photos set aside, near-duplicates kept together "
        f"({tmp_path / 'run' / 'splits.csv'})"
    )


def test_a_missing_test_split_is_cut_from_train_alone(classes, tmp_path):
    home = tmp_path / "sets"
    shutil.copytree(classes, home / "Train")
    for name in ("Crow", "Kite"):
        (home / "valid" / name).mkdir(parents=True)
        for number in range(3):  # a mirrored copy of each stays in train
            shutil.move(home / "Train" / name / f"{number}.png", home / "valid" / name)
    source = opened(home, tmp_path)
    assert {split: len(files) for split, files in source.files.items()} == {
        "train": 30,
        "val": 6,
        "test": 4,
    }
    in_test = {file.name.split("-")[0].split(".")[0] for file in source.files["test"]}
    assert not in_test & {"0", "1", "2"}
    assert "no test split: 4 of 34 photos set aside" in cut_in_words(source)


def test_every_run_on_a_folder_has_the_same_cut_and_one_under_way_keeps_its_own(classes, tmp_path):
    first = opened(classes, tmp_path)
    assert opened(classes, tmp_path, "other").files == first.files
    (tmp_path / "run" / STATE).touch()
    blotches(np.random.default_rng(9)).save(classes / "Crow" / "new.png")
    again = opened(classes, tmp_path)
    assert {split: again.files[split] for split in first.files} == first.files
    assert opened(classes, tmp_path, "other").files != first.files


def test_a_set_with_all_splits_is_taken_as_it_is(photo_folder, tmp_path):
    source = opened(photo_folder, tmp_path)
    assert source.split_table is None
    assert cut_in_words(source) == ""
    assert not (tmp_path / "run").exists()


def test_a_class_too_small_to_be_cut_is_refused_by_name(classes, tmp_path):
    for file in sorted((classes / "Kite").iterdir())[2:]:
        file.unlink()
    with pytest.raises(PhotoSetError, match=r"too few photos of Kite \(2\).*until there are 3"):
        opened(classes, tmp_path)


def test_a_class_of_one_scene_is_cut_all_the_same_and_named(classes, tmp_path):
    photo = blotches(np.random.default_rng(5))
    for file in (classes / "Kite").iterdir():
        photo.save(file)
    source = opened(classes, tmp_path)
    source.check()
    assert "but not those of Kite: too few scenes" in cut_in_words(source)


def test_commands_on_checkpoints_take_the_splits_that_these_were_made_with(classes, tmp_path):
    source = opened(classes, tmp_path / "made", "bn")
    command = CheckpointArgs(str(classes), str(tmp_path), tmp_path / "made")
    assert command.photo_set.files == source.files
    with pytest.raises(PhotoSetError, match="no run beside the checkpoints has cut them"):
        CheckpointArgs(str(classes), str(tmp_path), tmp_path / "none").photo_set.check()


@pytest.mark.parametrize("parts", [1, 2])
@pytest.mark.parametrize("sizes", [(3, 3), (4, 30), (20, 20, 20), (7, 200, 45)])
def test_every_class_gets_its_share_of_every_split(parts, sizes):
    labels = np.repeat(np.arange(len(sizes)), sizes)
    drawn = draw(labels, np.arange(len(labels)), parts)
    for label, size in enumerate(sizes):
        counts = np.bincount(drawn[labels == label], minlength=parts + 1)
        assert (counts > 0).all()
        assert (counts[1:] == max(1, round(0.15 * size))).all()


def test_a_group_of_two_classes_is_not_divided():
    labels = np.repeat([0, 1], 20)
    groups = np.arange(40)
    groups[[3, 4, 25]] = 99
    drawn = draw(labels, groups, 2)
    assert len(set(drawn[[3, 4, 25]])) == 1


@pytest.mark.slow
def test_what_fix_writes_from_class_folders_can_be_trained_on(classes, trained, tmp_path):
    given = ["--output", str(tmp_path), "--checkpoints", str(trained), "--fix"]
    assert audit_main([str(classes), *given, str(tmp_path / "clean")]) == 0
    assert pd.read_csv(tmp_path / "clean" / "manifest.csv").new_file.notna().sum() == 20
    opened(tmp_path / "clean", tmp_path, "cleaned").check()
