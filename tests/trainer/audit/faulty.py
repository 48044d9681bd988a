"""A drawn photo set with one fault of each kind, and what the audit makes of it."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.conftest import colour_checkpoint
from trainer.audit.__main__ import main


def draw(seed: int, colour: tuple[int, int, int]) -> Image.Image:
    rng = np.random.default_rng(seed)
    noise = rng.integers(60, 200, (40, 40, 3), dtype=np.uint8)
    photo = Image.fromarray(noise).resize((120, 120), Image.Resampling.BICUBIC)
    photo.paste(colour, (20, 40, 60, 90))
    return photo


@pytest.fixture(scope="session")
def faulty(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("set") / "photos <b>"
    seed = 0
    for split, count in {"train": 8, "test": 5}.items():
        for species, colour in {"Red-Bird": (255, 0, 0), "Blue-Bird": (0, 0, 255)}.items():
            (root / split / species).mkdir(parents=True)
            for number in range(count):
                draw(seed, colour).save(root / split / species / f"{number}.png")
                seed += 1
    first = Image.open(root / "train" / "Red-Bird" / "0.png")
    first.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(root / "test" / "Red-Bird" / "copy.png")
    draw(90, (255, 0, 0)).rotate(20).save(root / "train" / "Red-Bird" / "border.png")
    draw(91, (0, 0, 255)).resize((30, 30)).save(root / "train" / "Blue-Bird" / "tiny.png")
    Image.new("RGB", (120, 120), "grey").save(root / "train" / "Blue-Bird" / "empty.png")
    (root / "train" / "Blue-Bird" / "unreadable.jpg").write_text("no photo")
    return root


@pytest.fixture(scope="session")
def audited(faulty, tmp_path_factory) -> tuple[Path, Path, list[str]]:
    home = tmp_path_factory.mktemp("home")
    checkpoint = home / "checkpoints" / "bin"
    colour_checkpoint(checkpoint)
    report = {"metrics": {"val": {"accuracy": {"value": 1.0}}}}
    (checkpoint / "report.json").write_text(json.dumps(report))
    arguments = [str(faulty), "--output", str(home / "runs")]
    arguments += ["--checkpoints", str(home / "checkpoints")]
    before = fingerprint(faulty)
    assert main([*arguments, "--fix", str(home / "clean")]) == 0
    assert fingerprint(faulty) == before, "the originals were touched"
    return home / "runs" / "audit", home / "clean", arguments


def fingerprint(root: Path) -> str:
    files = sorted(file for file in root.rglob("*") if file.is_file())
    return hashlib.sha256(b"".join(str(f).encode() + f.read_bytes() for f in files)).hexdigest()


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
