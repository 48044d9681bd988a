from pathlib import Path

import numpy as np
from PIL import Image

from trainer.data.demo import BIRDS, DEMO, draw_set, photo_folder
from trainer.data.photo_folder import PhotoFolder


def pixels(folder: Path) -> np.ndarray:
    return np.stack([np.asarray(Image.open(file)) for file in sorted(folder.rglob("*.jpg"))])


def test_the_drawn_set_is_the_same_each_time_and_can_be_trained_on(tmp_path):
    few = {"train": 3, "val": 1, "test": 1}
    for name in ("one", "two"):
        draw_set(tmp_path / name, few)
    source = PhotoFolder(tmp_path / "one")
    source.check()
    assert source.species == tuple(BIRDS)
    first = pixels(tmp_path / "one")
    assert np.array_equal(first, pixels(tmp_path / "two"))
    assert len(np.unique(first.reshape(len(first), -1), axis=0)) == 5 * len(BIRDS)
    draw_set(tmp_path / "three", few, seed=1)
    assert not np.array_equal(first, pixels(tmp_path / "three"))


def test_demo_is_drawn_once_and_any_other_word_is_a_folder(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr("trainer.data.demo.draw_set", lambda folder: drawn.append(folder.mkdir()))
    assert photo_folder(DEMO, tmp_path / "runs") == tmp_path / "runs" / DEMO
    assert photo_folder(DEMO, tmp_path / "runs").is_dir()
    assert len(drawn) == 1
    assert photo_folder("./demo", tmp_path / "runs") == Path("./demo")
    assert photo_folder("photos", tmp_path / "runs") == Path("photos")
