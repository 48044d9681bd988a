import errno
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.data.outliers import OUTLIERS, OutlierFolder
from trainer.data.photo_folder import PhotoFolder, check_every_species, report_left_out
from trainer.data.photo_set import PhotoSetError


def load(folder: Path, cache: Path, split: str = "train", size: int = 16):
    source = PhotoFolder(folder)
    source.check()
    return source.load(split, size, cache)


def test_a_missing_folder_is_refused_with_the_layouts_and_the_drawn_set(tmp_path):
    with pytest.raises(PhotoSetError, match=r"nowhere cannot be.*folder of photos a class.*demo"):
        PhotoFolder(tmp_path / "nowhere").check()


@pytest.mark.parametrize("missing", ["val", "test", "train"])
def test_a_missing_split_is_refused_unless_it_is_to_be_cut(photo_folder, missing):
    shutil.rmtree(photo_folder / missing)
    with pytest.raises(PhotoSetError, match="has no photos"):
        PhotoFolder(photo_folder).check()
    if missing == "train":
        with pytest.raises(
            PhotoSetError, match=r"to train on \(it holds val, test\): --data names a folder"
        ):
            PhotoFolder(photo_folder).check_before_cut()
    else:
        PhotoFolder(photo_folder).check_before_cut()


def test_a_species_without_photos_in_a_split_is_refused(photo_folder):
    shutil.rmtree(photo_folder / "val" / "Red-Ring")
    (photo_folder / "val" / "Red-Ring").mkdir()
    with pytest.raises(PhotoSetError, match="val has no photo of Red-Ring"):
        PhotoFolder(photo_folder).check()


def test_different_species_between_splits_are_refused(photo_folder):
    shutil.copytree(photo_folder / "test" / "Red-Ring", photo_folder / "test" / "Dodo")
    with pytest.raises(PhotoSetError, match="has Dodo, which"):
        PhotoFolder(photo_folder).check()


LAYOUTS = {
    "splits of flat photos": (
        ["train/1.jpg", "valid/2.jpg", "train/_annotations.csv"],
        "train/CLASS",
    ),
    "images and labels": (
        ["images/train/1.jpg", "images/val/2.jpg", "labels/train/1.txt"],
        "CLASS",
    ),
    "flat photos with a table": (["1.jpg", "2.jpg", "labels.csv"], "Labels in tables"),
    "one folder with a table": (
        ["images/1.jpg", "images/2.jpg", "labels.csv"],
        "one class, images",
    ),
    "photos for a detector": (["train/images/1.jpg", "train/labels/1.txt"], "one class, images"),
    "no train": (
        ["learn/Crow/1.jpg", "learn/Kite/1.jpg", "test/Crow/2.jpg"],
        "it holds test, learn",
    ),
    "other spelling": (
        ["train/crow/1.jpg", "train/Kite/1.jpg", "test/Crow/1.jpg", "test/Kite/1.jpg"],
        "no photo of crow, and has Crow, which train lacks",
    ),
}


@pytest.mark.parametrize(("files", "told"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_layout_without_class_folders_is_refused_with_the_way_out(files, told, tmp_path):
    for file in files:
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    with pytest.raises(PhotoSetError, match=told):
        PhotoFolder(tmp_path).check_before_cut()


def test_an_empty_folder_is_refused(tmp_path):
    for split in ("train", "val", "test"):
        (tmp_path / split).mkdir()
    with pytest.raises(PhotoSetError, match=r"no photos to train on \(it holds 3 empty"):
        PhotoFolder(tmp_path).check()


def test_an_unreadable_photo_is_named_and_skipped(photo_folder, tmp_path):
    bad = photo_folder / "train" / "Blue-Disc" / "000.png"
    bad.write_bytes(b"no photo")
    photos = load(photo_folder, tmp_path / "cache")
    (name, why), *others = photos.skipped.items()
    assert name == str(Path("train") / "Blue-Disc" / "000.png")
    assert "not a photo" in why
    assert not others
    assert len(photos.pixels) == len(photos.labels) == 17
    whole = PhotoFolder(photo_folder)
    good = [f for f in whole.files["train"] if str(f) not in photos.skipped]
    with Image.open(photo_folder / good[0]) as first:
        squeezed = np.asarray(first.resize((16, 16), Image.Resampling.BICUBIC))
    assert np.array_equal(photos.pixels[0], squeezed)


@pytest.mark.parametrize("what", ["a link to nowhere", "a file that may not be read"])
def test_a_photo_that_cannot_be_opened_is_skipped_with_the_reason(
    photo_folder, tmp_path, monkeypatch, capsys, what
):
    odd = photo_folder / "train" / "Blue-Disc" / "odd.jpg"
    if what == "a link to nowhere":
        odd.symlink_to("/nowhere/x.jpg")
    else:
        odd.write_bytes(b"")
        real = Path.read_bytes

        def denied(path):
            if path.name == odd.name:
                raise PermissionError(errno.EACCES, "Permission denied")
            return real(path)

        monkeypatch.setattr(Path, "read_bytes", denied)
    photos = load(photo_folder, tmp_path / "cache")
    assert len(photos.pixels) == len(photos.labels) == 18
    report_left_out(PhotoFolder(photo_folder), [photos])
    said = capsys.readouterr().err
    assert "odd.jpg: This file cannot be opened (" in said
    assert "left out: 1 photo that cannot be read" in said


def test_photos_of_any_layout_and_name_are_trained_on(photo_folder, tmp_path):
    before = load(photo_folder, tmp_path / "cache")
    disc = photo_folder / "train" / "Blue-Disc"
    (disc / "more").mkdir()
    for file, new in (("000.png", "more/0"), ("001.png", "more/1.jpg_large"), ("002.png", "2.jpe")):
        (disc / file).rename(disc / new)
    (disc / "003.png").rename(disc / os.fsdecode(b"003-\xe9.png"))
    for odd in (".ipynb_checkpoints", "@eaDir"):
        shutil.copytree(disc, photo_folder / "train" / odd)
    (photo_folder / "train").rename(photo_folder / "Train")
    (photo_folder / "val").rename(photo_folder / "valid")
    home = tmp_path / "home"
    home.mkdir()
    photo_folder.rename(home / "archive")
    after = load(home, tmp_path / "cache")
    assert after.species == before.species
    assert after.labels.tolist() == before.labels.tolist()
    assert sorted(map(bytes, after.pixels)) == sorted(map(bytes, before.pixels))


def test_a_species_without_a_readable_photo_is_refused(photo_folder, tmp_path):
    for file in (photo_folder / "test" / "Green-Bar").iterdir():
        file.write_bytes(b"")
    photos = load(photo_folder, tmp_path / "cache", split="test")
    with pytest.raises(PhotoSetError, match=r"None of the photos of Green-Bar in the split test"):
        check_every_species(PhotoFolder(photo_folder), {"test": photos})


def test_outliers_are_the_photos_in_folders_labelled_by_kind(tmp_path, capsys):
    for name in ("sea/waves/0.png", "forest/0.png", "forest/1.png", "outside.png"):
        (tmp_path / "strange" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (40, 30)).save(tmp_path / "strange" / name)
    (tmp_path / "strange" / "forest" / "2.png").write_bytes(b"no photo")
    folder = OutlierFolder(tmp_path / "strange")
    folder.check()
    photos = folder.load(OUTLIERS, 16, tmp_path / "cache")
    assert (photos.species, photos.labels.tolist()) == (("forest", "sea"), [0, 0, 1])
    report_left_out(folder, [photos])
    said = capsys.readouterr().err
    assert "forest/2.png" in said
    assert "left out: 1 photo that cannot be read, 1 photo outside a class folder" in said


@pytest.mark.parametrize("change", ["add", "remove", "resize", "move"])
def test_a_digest_tells_other_photos_by_name_class_and_size(photo_folder, change):
    before = PhotoFolder(photo_folder).digest
    assert PhotoFolder(photo_folder).digest == before
    file = photo_folder / "train" / "Blue-Disc" / "000.png"
    if change == "add":
        shutil.copy(file, file.with_name("more.png"))
    elif change == "remove":
        file.unlink()
    elif change == "resize":
        Image.new("RGB", (9, 9)).save(file)
    else:
        file.rename(photo_folder / "train" / "Red-Ring" / "moved.png")
    assert PhotoFolder(photo_folder).digest != before
