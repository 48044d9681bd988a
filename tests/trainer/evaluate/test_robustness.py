import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plumage.looks import LOOKS
from tests.trainer.conftest import copied
from trainer.evaluate.robustness import QUALITIES, SIDES, main, poorer
from trainer.evaluate.small_birds import WIDTHS, distant


@pytest.fixture
def photo() -> Image.Image:
    return Image.effect_noise((64, 64), 80).convert("RGB")


def test_a_photo_that_is_not_made_poorer_is_as_it_was(photo: Image.Image) -> None:
    assert poorer(photo, "none", 0) == photo
    assert poorer(photo, "side", 64) == photo


@pytest.mark.parametrize(("change", "degrees"), [("JPEG quality", QUALITIES), ("side", SIDES)])
def test_the_further_down_the_less_is_left_of_a_photo(
    photo: Image.Image, change: str, degrees: tuple[int, ...]
) -> None:
    smaller = [d for d in degrees if change != "side" or d < 64]
    again = [poorer(photo, change, degree).resize(photo.size) for degree in smaller]
    away = [np.abs(np.subtract(left, photo, dtype=int)).mean() for left in again]
    assert away[0] > 0
    assert away == sorted(away)


@pytest.mark.slow
def test_every_variant_is_measured_with_every_change(
    trained: Path, drawn_photos: Path, tmp_path: Path
) -> None:
    folder = copied(trained, tmp_path / "checkpoints", "bin")
    (tmp_path / "strange" / "no_bird").mkdir(parents=True)
    Image.new("RGB", (60, 40), "green").save(tmp_path / "strange" / "no_bird" / "0.png")
    given = ["--data", str(drawn_photos), "--output", str(tmp_path), "--checkpoints", str(folder)]
    assert main([*given, "--outliers", str(tmp_path / "strange")]) == 0
    found = json.loads((folder / "results" / "robustness.json").read_text())
    rows = found["rows"]
    assert [(row["variant"], row["change"], row["degree"]) for row in rows] == [
        ("bin", "none", 0),
        *(("bin", "JPEG quality", quality) for quality in QUALITIES),
        *(("bin", "side", side) for side in SIDES),
    ]
    assert all(0 <= row[share] <= 1 for row in rows for share in ("accuracy", "accepted"))
    assert found["sentence"]
    small = found["small_birds"]
    assert [(row["looks"], row["degree"]) for row in small] == [
        (names, width) for names in (["whole"], list(LOOKS)) for width in WIDTHS
    ]
    assert all(row["right_and_accepted"] <= row["accuracy"] for row in small)


@pytest.mark.parametrize("size", [(300, 200), (150, 400)])
def test_a_distant_bird_is_a_photo_pasted_at_twice_its_width(size: tuple[int, int]) -> None:
    bird, ground = Image.new("RGB", (160, 160), "red"), Image.new("RGB", size, "green")
    for width in WIDTHS:
        frame = np.asarray(distant(bird, ground, width, np.random.default_rng(0)))
        assert max(frame.shape[:2]) == 800
        red = (frame == [255, 0, 0]).all(axis=-1)
        sides = red.any(axis=0).sum(), red.any(axis=1).sum()
        expected = min(round(frame.shape[1] * 2 * width / 100), min(frame.shape[:2]))
        assert sides == (expected, expected)
