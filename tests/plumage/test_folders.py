import os
import unicodedata
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from plumage.folders import ALL, Listing, in_words, list_photo_set, list_photos, printable
from tests.conftest import draw_bird, encode

JPEG = encode(draw_bird())


def put(root: Path, *names: str, data: bytes = JPEG) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)


def names(listing: Listing) -> list[str]:
    return [photo.as_posix() for photo in listing.photos]


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("DSC00001.HIF", "HEIF"),
        ("download.jfif", "JPEG"),
        ("scan.jpe", "JPEG"),
        ("photo.jpg_large", "JPEG"),
        ("photo.jpg.1", "JPEG"),
        ("1000012345", "JPEG"),
        ("picture", "PNG"),
        ("picture.orig", "WEBP"),
        ("whatsapp", "AVIF"),
        ("phone", "HEIF"),
        ("scan", "TIFF"),
        ("moving", "GIF"),
        ("old", "BMP"),
        ("plain", "PPM"),
        ("museum", "JPEG2000"),
        ("live.photo", "HEIF"),
        ("IMG_1.jpg~", "JPEG"),
        ("IMG_1.JPG.bak", "JPEG"),
    ],
)
def test_a_photo_is_listed_whatever_it_is_called(name, format, tmp_path):
    import pillow_heif

    pillow_heif.register_heif_opener()
    put(tmp_path, name, data=encode(draw_bird(), format))
    assert names(list_photos(tmp_path)) == [name]


@pytest.mark.parametrize("header", [b"II+\0", b"MM\0+", b"Pf\n", b"P6 ", b"\xffO\xffQ"])
def test_a_rare_photo_is_listed_by_its_first_bytes(header, tmp_path):
    put(tmp_path, "photo", data=header + bytes(60))
    assert names(list_photos(tmp_path)) == ["photo"]


def test_other_files_are_counted_by_kind(tmp_path):
    put(tmp_path, "a.jpg", "b/c.JPG")
    put(tmp_path, "DSC1.NEF", "DSC2.CR3", data=b"II*\0raw")
    put(tmp_path, "clip.MP4", "clip2.mov", "b/clip.avi", data=b"\0\0\0\x18ftypmp42")
    put(tmp_path, "note", data=b"BM is a note, II too")
    listing = list_photos(tmp_path)
    assert names(listing) == ["a.jpg", "b/c.JPG"]
    assert in_words(listing.left_out) == "3 videos, 2 raw files, 1 file of another kind"


@pytest.mark.parametrize(
    "folder",
    [
        ".Trash-1000/files",
        "$RECYCLE.BIN",
        "__MACOSX",
        "@eaDir",
        "day/@eaDir",
        ".ipynb_checkpoints",
        ".thumbnails",
        "System Volume Information",
        "#recycle",
        "LOST.DIR",
        "FOUND.003",
        "$Recycle.Bin.old",
        "~snapshot",
        "@tmp",
        "_gsdata_",
        ".git",
        ".AppleDouble",
    ],
)
def test_hidden_and_system_folders_are_counted_not_entered(folder, tmp_path):
    put(tmp_path, "a.jpg", f"{folder}/b.jpg", f"{folder}/c/d.jpg")
    listing = list_photos(tmp_path)
    assert names(listing) == ["a.jpg"]
    assert in_words(listing.left_out) == "1 hidden or system folder"


@pytest.mark.parametrize(
    "name",
    ["._a.jpg", ".hidden.jpg", "Thumbs.db", "desktop.ini", ".DS_Store", "~$a.jpg"],
)
def test_hidden_and_system_files_are_left_out(name, tmp_path):
    put(tmp_path, "a.jpg", name)
    listing = list_photos(tmp_path)
    assert names(listing) == ["a.jpg"]
    assert in_words(listing.left_out) == "1 hidden or system file"


class Entry:
    """A folder's entry, whose status has more fields."""

    def __init__(self, entry: os.DirEntry[str], **fields: int) -> None:
        self.entry, self.fields = entry, fields

    def __getattr__(self, name):
        return getattr(self.entry, name)

    def stat(self, **flags):
        status = self.entry.stat(**flags)
        return SimpleNamespace(st_mode=status.st_mode, **self.fields)


@pytest.mark.parametrize(
    "mark", [{"st_file_attributes": 0x2}, {"st_file_attributes": 0x26}, {"st_flags": 0x8000}]
)
def test_what_windows_or_macos_hides_is_left_out(mark, tmp_path, monkeypatch):
    put(tmp_path, "A.jpg", "AlbumArt_{5}.jpg", "cache/b.jpg")
    real = os.scandir

    class Scan(list):
        """The entries of a folder, all but the first of them marked."""

        def __init__(self, path):
            entries = sorted(real(path), key=lambda entry: entry.name)
            super().__init__([entries[0], *(Entry(entry, **mark) for entry in entries[1:])])

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def close(self):
            pass

    monkeypatch.setattr(os, "scandir", Scan)
    listing = list_photos(tmp_path)
    assert names(listing) == ["A.jpg"]
    assert in_words(listing.left_out) == "1 hidden or system folder, 1 hidden or system file"


def test_a_linked_folder_is_followed_once(tmp_path):
    put(tmp_path, "disk/b.jpg", "photos/day1/a.jpg")
    photos = tmp_path / "photos"
    (photos / "day2").symlink_to(tmp_path / "disk")
    (photos / "day3").symlink_to(tmp_path / "disk")
    (photos / "day1" / "up").symlink_to(photos)
    listing = list_photos(photos)
    assert names(listing) == ["day1/a.jpg", "day2/b.jpg"]
    assert in_words(listing.left_out) == "2 folders listed under another name"


def test_a_photo_that_cannot_be_opened_is_listed_and_a_pipe_is_not(tmp_path):
    put(tmp_path, "x.jpg/a.jpg")
    (tmp_path / "gone.jpg").symlink_to("/nowhere/x.jpg")
    (tmp_path / "gone").symlink_to("/nowhere/x")
    os.mkfifo(tmp_path / "pipe.jpg")
    listing = list_photos(tmp_path)
    assert names(listing) == ["gone.jpg", "x.jpg/a.jpg"]
    assert listing.left_out == {
        "link to nowhere": [Path("gone")],
        "device or pipe": [Path("pipe.jpg")],
    }


def test_a_forbidden_folder_is_counted(tmp_path, monkeypatch):
    put(tmp_path, "a.jpg", "day/b.jpg", "night/c.jpg")
    real = os.scandir

    def scandir(path):
        if Path(path).name == "night":
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    listing = list_photos(tmp_path)
    assert names(listing) == ["a.jpg", "day/b.jpg"]
    assert in_words(listing.left_out) == "1 folder that may not be read"


def test_a_name_that_is_no_utf_8_is_listed_and_can_be_printed(tmp_path):
    (tmp_path / os.fsdecode(b"hupp\xe9.jpg")).write_bytes(JPEG)
    (photo,) = list_photos(tmp_path).photos
    assert (tmp_path / photo).read_bytes() == JPEG
    assert printable(photo) == r"hupp\xe9.jpg"


def test_names_that_differ_in_their_unicode_form_alone_are_one(tmp_path):
    forms = [unicodedata.normalize(form, "é") for form in ("NFC", "NFD")]
    put(tmp_path, *(f"train/{form}/{number}.jpg" for number, form in enumerate(forms)))
    put(tmp_path, *(f"photos/{form}.jpg" for form in forms))
    found = list_photo_set(tmp_path / "train").photos[ALL]
    assert [photo.parts[1] for photo in found] == [forms[0]] * 2
    listing = list_photos(tmp_path / "photos")
    assert len(listing.photos) == 1
    assert "1 file named as another one" in in_words(listing.left_out)


def test_numbers_are_in_words():
    assert in_words({}) == ""
    left_out = {"folder that may not be read": [Path("a")] * 2, "video": [Path("b")] * 1234}
    assert in_words(left_out) == "1,234 videos, 2 folders that may not be read"


@pytest.mark.parametrize(
    ("train", "val", "test"),
    [
        ("train", "val", "test"),
        ("Train", "Validation", "Test"),
        ("training", "valid", "TEST"),
        ("archive/train", "archive/valid", "archive/test"),
        ("a/b/train", "a/b/dev", "a/b/testing"),
        ("images/train", "images/val", "images/test"),
        ("training_set", "validation data", "Test-Images"),
        ("train2017", "val2017", "test2017"),
        ("training_set/training_set", "val", "test_set/test_set"),
        ("Training Data", "Validation Data", "Test Data"),
        ("archive/archive/train_val", "archive/archive/dev", "archive/archive/test"),
    ],
)
def test_splits_are_found_under_the_names_that_people_give_them(train, val, test, tmp_path):
    for split in (train, val, test):
        put(tmp_path, f"{split}/Crow/1.jpg", f"{split}/Kite/males/2.jpg")
    found = list_photo_set(tmp_path)
    assert found.photos == {
        split: [Path(split, "Crow", "1.jpg"), Path(split, "Kite", "males", "2.jpg")]
        for split in ("train", "val", "test")
    }
    assert found.paths[Path("val/Crow/1.jpg")] == Path(val, "Crow", "1.jpg")
    assert not found.left_out


def test_two_folders_of_one_split_lose_no_photo(tmp_path):
    put(tmp_path, "val/Crow/1.jpg", "Valid/Crow/1.jpg", "train/Crow/1.jpg")
    found = list_photo_set(tmp_path)
    assert len(found.photos["val"]) == 2
    assert {found.paths[photo] for photo in found.photos["val"]} == {
        Path("val/Crow/1.jpg"),
        Path("Valid/Crow/1.jpg"),
    }


@pytest.mark.parametrize("stray", ["cover.jpg", "archive/cover.jpg", "docs/figures/1.jpg"])
def test_photos_beside_the_folder_of_the_splits_are_left_out(stray, tmp_path):
    put(tmp_path, "archive/train/Crow/1.jpg", "archive/test/Crow/2.jpg", stray)
    put(tmp_path, "archive/readme.txt", "labels/train/1.txt", data=b"text")
    found = list_photo_set(tmp_path)
    assert {split: len(photos) for split, photos in found.photos.items()} == {"train": 1, "test": 1}
    assert "1 photo outside" in in_words(found.left_out)


@pytest.mark.parametrize("above", ["", "archive", "photos/mine"])
def test_class_folders_are_found_below_folders_that_hold_nothing_else(above, tmp_path):
    put(tmp_path, *(str(Path(above, name)) for name in ("Crow/1.jpg", "Kite/males/2.jpg")))
    put(tmp_path, "cover.jpg", str(Path(above, "readme.txt")))
    found = list_photo_set(tmp_path)
    assert found.photos == {ALL: [Path("all/Crow/1.jpg"), Path("all/Kite/males/2.jpg")]}
    assert in_words(found.left_out) == "1 sidecar file, 1 photo outside a class folder"


def test_a_class_with_a_folder_of_a_splits_name_is_no_split(tmp_path):
    put(tmp_path, "Crow/train/a/1.jpg", "Kite/train/a/1.jpg")
    classes = [photo.parts[1] for photo in list_photo_set(tmp_path).photos[ALL]]
    assert classes == ["Crow", "Kite"]


def test_class_folders_alone_are_one_split(tmp_path):
    put(tmp_path, "Crow/1.jpg", "Kite/nest/2.jpg", "readme.jpg")
    found = list_photo_set(tmp_path)
    assert found.photos == {ALL: [Path("all/Crow/1.jpg"), Path("all/Kite/nest/2.jpg")]}
    assert found.paths[Path("all/Kite/nest/2.jpg")] == Path("Kite/nest/2.jpg")
    assert in_words(found.left_out) == "1 photo outside a class folder"


def test_spaces_at_the_ends_of_a_classs_name_make_no_other_class(tmp_path):
    put(tmp_path, "train/Crow /1.jpg", "train/Crow/1.jpg", "test/ Crow/2.jpg")
    found = list_photo_set(tmp_path)
    assert {photo.parts[1] for photos in found.photos.values() for photo in photos} == {"Crow"}
    assert len(found.photos["train"]) == 2


def test_a_class_may_have_a_splits_name(tmp_path):
    put(tmp_path, "train/1.jpg", "plane/1.jpg", "car/1.jpg")
    classes = [photo.parts[1] for photo in list_photo_set(tmp_path).photos[ALL]]
    assert classes == ["car", "plane", "train"]


def test_folders_beside_the_splits_are_splits_of_their_own(tmp_path):
    put(tmp_path, "train/Crow/1.jpg", "test/Crow/2.jpg", "images/3.jpg", "extra/Kite/4.jpg")
    put(tmp_path, ".Trash-1000/files/5.jpg")
    found = list_photo_set(tmp_path)
    assert list(found.photos) == ["train", "test", "extra"]
    assert in_words(found.left_out) == "1 photo outside a class folder, 1 hidden or system folder"


def test_an_empty_folder_is_counted(tmp_path):
    put(tmp_path, "day/1.jpg")
    (tmp_path / "night").mkdir()
    assert list_photos(tmp_path).left_out == {"empty folder": [Path("night")]}


def test_an_empty_folder_holds_nothing(tmp_path):
    assert list_photos(tmp_path).photos == ()
    assert list_photo_set(tmp_path).photos == {}
    with pytest.raises(FileNotFoundError):
        list_photos(tmp_path / "missing")


def test_photos_of_a_training_set_keep_their_order(tmp_path):
    for name in ("b", "a", "c"):
        Image.new("RGB", (8, 8)).save(tmp_path / f"{name}.png")
    assert names(list_photos(tmp_path)) == ["a.png", "b.png", "c.png"]
