import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.data import photo_set as module
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSetError, stratified_subset


def load(folder: Path, cache: Path, split: str = "train", size: int = 16):
    source = PhotoFolder(folder)
    source.check()
    return source.load(split, size, cache)


def test_photos_are_squeezed_with_pillows_bicubic_filter(photo_folder, tmp_path):
    photos = load(photo_folder, tmp_path / "cache")
    assert photos.pixels.shape == (18, 16, 16, 3)
    assert photos.labels.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    assert photos.species == ("Blue-Disc", "Green-Bar", "Red-Ring")
    with Image.open(photo_folder / "train" / "Green-Bar" / "001.png") as first:
        squeezed = first.convert("RGB").resize((16, 16), Image.Resampling.BICUBIC)
    assert np.array_equal(photos.pixels[7], np.asarray(squeezed))


def test_the_cache_is_made_where_posix_fallocate_is_missing(photo_folder, tmp_path, monkeypatch):
    before = load(photo_folder, tmp_path / "cache")
    monkeypatch.delattr(module.os, "posix_fallocate", raising=False)
    after = load(photo_folder, tmp_path / "other")
    assert np.array_equal(before.pixels, after.pixels)


def test_a_split_of_unreadable_photos_is_refused(photo_folder, tmp_path):
    for file in (photo_folder / "val").rglob("*.png"):
        file.write_bytes(b"no photo")
    with pytest.raises(PhotoSetError, match="None of the photos"):
        load(photo_folder, tmp_path / "cache", split="val")


def test_kept_photos_are_not_decoded_again(photo_folder, tmp_path, monkeypatch):
    load(photo_folder, tmp_path / "cache")
    monkeypatch.setattr(module, "_decode", lambda *_: pytest.fail("decoded again"))
    load(photo_folder, tmp_path / "cache")


def test_kept_photos_are_decoded_again_when_a_file_changes(photo_folder, tmp_path):
    before = load(photo_folder, tmp_path / "cache")
    file = photo_folder / "train" / "Blue-Disc" / "000.png"
    Image.new("RGB", (40, 40), "white").save(file)
    os.utime(file, (time.time() + 5, time.time() + 5))
    after = load(photo_folder, tmp_path / "cache")
    assert (after.pixels[0] == 255).all()
    assert after.fingerprint != before.fingerprint
    assert len(list((tmp_path / "cache").rglob("*.npy"))) == 1


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows cannot fork")
def test_a_half_built_cache_is_built_again(photo_folder, tmp_path):
    cache = tmp_path / "cache"
    source = PhotoFolder(photo_folder)
    allocate = module._allocate

    def killed(path, shape):
        start = allocate(path, shape)
        with path.open("r+b") as file:
            file.seek(start)
            file.write(bytes([7]) * 16)
        os._exit(9)

    child = os.fork()
    if child == 0:
        module._allocate = killed
        source.load("train", 16, cache)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 9
    assert not list(cache.rglob("train*.npy"))
    assert load(photo_folder, cache).pixels.max() > 7
    assert not [p for p in cache.rglob(".*") if p.suffix == ".part"]


@pytest.mark.slow
def test_two_processes_may_build_at_once(photo_folder, tmp_path):
    code = (
        "import sys, pathlib; from trainer.data.photo_folder import PhotoFolder;"
        "print(PhotoFolder(pathlib.Path(sys.argv[1])).load("
        "'train', 16, pathlib.Path(sys.argv[2])).pixels.sum())"
    )
    command = [sys.executable, "-c", code, str(photo_folder), str(tmp_path / "cache")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    sums = [p.communicate()[0] for p in processes]
    assert [p.returncode for p in processes] == [0, 0]
    assert sums[0] == sums[1] != b""


def test_a_full_disk_is_an_error_that_leaves_nothing(photo_folder, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.os, "posix_fallocate", full)
    with pytest.raises(PhotoSetError, match="No space left on device.*make room"):
        load(photo_folder, tmp_path / "cache")
    assert not list((tmp_path / "cache").rglob("*.npy*"))


def test_a_subset_has_as_many_photos_of_each_species_spread_over_its_own():
    labels = np.array([0] * 9 + [2] * 2 + [1] * 5)
    assert stratified_subset(labels, 3) == [0, 4, 8, 11, 13, 15, 9, 10]
