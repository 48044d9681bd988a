import numpy as np
import pytest
from PIL import Image

from trainer.audit.detect.survey import AnyFolder, Pixels, header_of, in_threads, survey
from trainer.data.photo_set import PhotoSetError


def test_splits_have_any_names_and_need_not_hold_the_same_species(photo_folder):
    (photo_folder / "val").rename(photo_folder / "holdout")
    for file in (photo_folder / "test" / "Red-Ring").iterdir():
        file.unlink()
    folder = AnyFolder(photo_folder)
    assert set(folder.files) == {"train", "holdout", "test"}
    assert folder.species == ("Blue-Disc", "Green-Bar", "Red-Ring")


def test_photos_come_split_after_split_and_a_broken_one_is_named(photo_folder, tmp_path):
    broken = photo_folder / "test" / "Red-Ring" / "000.png"
    broken.write_bytes(broken.read_bytes()[:60])
    photos = survey(photo_folder, tmp_path / "cache")
    assert len(photos) == len(photos.pixels) == len(photos.headers) == 3 * 6 + 3 * 2 + 3 * 2 - 1
    assert [str(file) for file in photos.unreadable] == ["test/Red-Ring/000.png"]
    for index in (0, 7, len(photos) - 1):
        assert photos.species[photos.labels[index]] == photos.files[index].parts[1]
        assert photos.splits[index] == photos.files[index].parts[0]
    assert photos.headers[0].size == (40, 40)


def test_what_files_say_about_themselves_is_kept_until_one_changes(
    photo_folder, tmp_path, monkeypatch
):
    Image.new("RGB", (30, 20)).save(photo_folder / "val" / "Red-Ring" / "wide.jpg")
    first = survey(photo_folder, tmp_path / "cache")
    with monkeypatch.context() as patched:
        patched.setattr(
            "trainer.audit.detect.survey.header_of", lambda path: pytest.fail("read again")
        )
        assert survey(photo_folder, tmp_path / "cache").headers == first.headers
    for kept in (tmp_path / "cache").rglob("*.headers.json"):
        kept.write_text(kept.read_text()[:-9])  # cut short
    assert survey(photo_folder, tmp_path / "cache").headers == first.headers
    Image.new("RGB", (20, 50)).save(photo_folder / "val" / "Red-Ring" / "wide.jpg")
    assert (20, 50) in survey(photo_folder, tmp_path / "cache").sizes


def test_a_folder_without_photos_is_refused_with_advice(tmp_path):
    with pytest.raises(PhotoSetError, match="no photos in folders of species"):
        survey(tmp_path, tmp_path / "cache")


def test_a_jpeg_says_its_tables_and_a_text_says_that_it_is_none(tmp_path):
    for quality in (30, 90):
        Image.new("RGB", (30, 20)).save(tmp_path / f"{quality}.jpg", quality=quality)
    (tmp_path / "text.jpg").write_text("no photo")
    (tmp_path / "empty.jpg").write_text("")
    low, high = (header_of(tmp_path / f"{quality}.jpg") for quality in (30, 90))
    assert low.size == (30, 20)
    assert sum(low.tables) > sum(high.tables) > 0
    assert "not a photo" in header_of(tmp_path / "text.jpg").fault
    assert header_of(tmp_path / "empty.jpg").fault == "empty file"


def test_pixels_of_several_arrays_are_counted_through():
    parts = [np.full((n, 2, 2, 3), n, np.uint8) for n in (2, 1, 3)]
    pixels = Pixels(parts)
    assert [int(pixels[i][0, 0, 0]) for i in range(len(pixels))] == [2, 2, 1, 3, 3, 3]


def test_threads_keep_the_order_of_what_they_work_on():
    assert in_threads(lambda n: n * n, range(1000)) == [n * n for n in range(1000)]
    assert in_threads(str, []) == []
