import json
from pathlib import Path

import numpy as np
import pytest

from tests.trainer.conftest import copied
from trainer.evaluate.robustness import QUALITIES, SIDES, main, poorer


@pytest.fixture
def photo() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def test_a_photo_that_is_not_made_poorer_is_only_squeezed(photo: np.ndarray) -> None:
    assert (poorer(photo, "none", 0, 64) == photo).all()
    assert (poorer(photo, "side", 64, 64) == photo).all()
    assert poorer(photo, "none", 0, 32).shape == (32, 32, 3)


@pytest.mark.parametrize(("change", "degrees"), [("JPEG quality", QUALITIES), ("side", SIDES)])
def test_the_further_down_the_less_is_left_of_a_photo(
    photo: np.ndarray, change: str, degrees: tuple[int, ...]
) -> None:
    smaller = [d for d in degrees if change != "side" or d < 64]
    away = [np.abs(poorer(photo, change, d, 64).astype(int) - photo).mean() for d in smaller]
    assert away[0] > 0
    assert away == sorted(away)


@pytest.mark.slow
def test_every_variant_is_measured_with_every_change(
    trained: Path, drawn_photos: Path, tmp_path: Path
) -> None:
    folder = copied(trained, tmp_path / "checkpoints", "bin")
    given = ["--data", str(drawn_photos), "--output", str(tmp_path), "--checkpoints", str(folder)]
    assert main(given) == 0
    found = json.loads((folder / "results" / "robustness.json").read_text())
    rows = found["rows"]
    assert [(row["variant"], row["change"], row["degree"]) for row in rows] == [
        ("bin", "none", 0),
        *(("bin", "JPEG quality", quality) for quality in QUALITIES),
        *(("bin", "side", side) for side in SIDES),
    ]
    assert all(0 <= row[share] <= 1 for row in rows for share in ("accuracy", "accepted"))
    assert found["sentence"]
