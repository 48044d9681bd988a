import shutil
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from filelock import FileLock
from PIL import Image, ImageDraw

from trainer.__main__ import main, parse
from trainer.recipe import Recipe
from trainer.studies import tables as study_tables
from trainer.studies.conclusions import ANSWERS
from trainer.studies.definitions import STUDIES
from trainer.studies.study import Study

# Networks this small gain nothing from threads, and lose much where other work keeps cores busy.
torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def denormal_numbers():
    """A command of the trainer turns them off for its process, which a test shares with others."""
    yield
    torch.set_flush_denormal(False)


SPECIES = {"Blue-Disc": "disc", "Green-Bar": "bar", "Red-Ring": "ring"}


def draw_photo(kind: str, rng: np.random.Generator, size: int = 40) -> Image.Image:
    """A disc, bar or ring at a random place before a noisy background."""
    photo = Image.fromarray(rng.integers(90, 160, (size, size, 3), dtype=np.uint8))
    left, top = rng.integers(2, size // 2 - 2, 2)
    box = (left, top, left + size // 2, top + size // 2)
    pen = ImageDraw.Draw(photo)
    if kind == "disc":
        pen.ellipse(box, fill=(40, 60, 200))
    elif kind == "bar":
        pen.rectangle((left, top, left + size // 8, top + size // 2), fill=(40, 180, 60))
    else:
        pen.ellipse(box, outline=(200, 40, 40), width=3)
    return photo


def draw_photo_folder(root: Path, train: int = 24, others: int = 8) -> Path:
    rng = np.random.default_rng(7)
    for split, count in {"train": train, "val": others, "test": others}.items():
        for species, kind in SPECIES.items():
            folder = root / split / species
            folder.mkdir(parents=True)
            for i in range(count):
                draw_photo(kind, rng).save(folder / f"{i:03}.png")
    return root


@pytest.fixture(scope="session")
def tiny_recipe() -> Recipe:
    """A run of seconds."""
    return Recipe(n=1, image_size=32, stored_size=40, batch_size=16, epochs=2, learning_rate=0.05)


@pytest.fixture
def photo_folder(tmp_path: Path) -> Path:
    """Three drawn species in ImageFolder layout, to be changed at will."""
    return draw_photo_folder(tmp_path / "photos", train=6, others=2)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Make a folder by its name once for all of pytest-xdist's processes, to be read only."""
    home = tmp_path_factory.getbasetemp()
    home = home.parent if home.name.startswith("popen-") else home

    def once(name: str, make: Callable[[Path], object]) -> Path:
        with FileLock(home / f"{name}.lock"):
            if not (home / name).exists():
                make(home / f"{name}.part")
                (home / f"{name}.part").rename(home / name)
        return home / name

    return once


@pytest.fixture(scope="session")
def drawn_photos(once: Callable[..., Path]) -> Path:
    """Three drawn species in ImageFolder layout, to be read only."""
    return once("drawn", draw_photo_folder)


@pytest.fixture(scope="session")
def trained(once: Callable[..., Path], drawn_photos: Path) -> Path:
    """What `python -m trainer` leaves of two runs of seconds: bin/, nn/ and what it printed, log.

    To be read only: `copied` gives copies.
    """

    def train(folder: Path) -> None:
        folder.mkdir()
        with (folder / "log").open("w") as log, redirect_stdout(log):
            for norm in ("bin", "nn"):
                assert main(train_command(norm, drawn_photos, folder)) == 0

    return once("trained", train)


def train_command(norm: str, photos: Path, output: Path) -> list[str]:
    """The arguments of one of those runs."""
    flags = "--n 1 --image-size 32 --stored-size 40 --batch-size 16 --epochs 2 --learning-rate 0.05"
    flags += " --augmentation none --photos-per-species 20"
    return ["--norm", norm, "--data", str(photos), "--output", str(output), *flags.split()]


def trained_recipe(norm: str, photos: Path, output: Path) -> Recipe:
    """The recipe of one of those runs."""
    return parse(train_command(norm, photos, output)).recipe


def copied(trained: Path, folder: Path, *norms: str) -> Path:
    """A folder of checkpoints with copies of these, to be changed at will."""
    for norm in norms:
        shutil.copytree(trained / norm, folder / norm)
    return folder


@pytest.fixture
def quick(tiny_recipe, monkeypatch, tmp_path):
    """Put a study of these changes in the place of `depth`, in runs of one epoch."""

    def put(changes, **attributes):
        study = Study("Deep?", replace(tiny_recipe, epochs=1), changes, **attributes)
        monkeypatch.setitem(STUDIES, "depth", study)
        monkeypatch.setitem(ANSWERS, "depth", lambda table, facts: "Deep.")
        monkeypatch.setattr(study_tables, "TABLES", tmp_path / "tables")
        return study

    return put
