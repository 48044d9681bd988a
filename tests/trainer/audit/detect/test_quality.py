from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

from trainer.audit.detect.quality import blurred, empty, measure, tiny

VAL = Path(__file__).parents[5] / "shared" / "birds25" / "val"


def measured(photo: Image.Image):
    return measure(np.asarray(photo.resize((160, 160))), photo.size, None)


def test_small_photos_are_tiny():
    assert tiny([(160, 160)] * 9 + [(200, 40)]).tolist() == [False] * 9 + [True]


def test_a_plain_photo_is_empty():
    noise = np.random.default_rng(0).integers(0, 256, (160, 160, 3), dtype=np.uint8)
    photos = [Image.new("RGB", (160, 160), "grey"), Image.fromarray(noise)]
    assert empty([measured(photo) for photo in photos]).tolist() == [True, False]


@pytest.mark.skipif(not VAL.exists(), reason="needs ../shared/birds25")
def test_blurred_photos_are_found_and_sharp_ones_left_alone():
    photos = [Image.open(file).convert("RGB") for file in sorted(VAL.glob("*/*.jpg"))[::5]]
    assert blurred([measured(photo) for photo in photos]).mean() <= 0.02
    soft = [photo.filter(ImageFilter.GaussianBlur(2)) for photo in photos]
    assert blurred([measured(photo) for photo in soft]).mean() >= 0.95
    small = [photo.resize((96, 96)) for photo in photos]  # made larger, not blurred
    assert blurred([measured(photo) for photo in small]).mean() <= 0.02
