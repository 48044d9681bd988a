from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.audit.detect.borders import find_border, inside, without_border

SHARED = Path(__file__).parents[5] / "shared"
RAW = SHARED / "birds25_raw_sample"
VAL = SHARED / "birds25" / "val"
BORDERED = (
    "Jungle-Babbler Northern-Lapwing Red-Wattled-Lapwing Ruddy-Shelduck Rufous-Treepie "
    "White-Breasted-Kingfisher White-Breasted-Waterhen White-Wagtail"
).split()


def landscape(size: int = 160) -> Image.Image:
    noise = np.random.default_rng(0).integers(60, 200, (size // 4, size // 4, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize((size, size), Image.Resampling.BICUBIC)


def found_in(files: list[Path]) -> list[bool]:
    return [find_border(np.asarray(Image.open(file).convert("RGB"))) is not None for file in files]


def test_a_photo_without_a_border_has_none():
    assert find_border(np.asarray(landscape())) is None


@pytest.mark.parametrize("degrees", [-30, -7, 12, 44])
@pytest.mark.parametrize("fill", ["black", "white"])
def test_the_border_of_a_turned_photo_is_found_with_its_angle(degrees, fill):
    turned = landscape().rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=fill)
    border = find_border(np.asarray(turned))
    assert border is not None
    assert border.colour == fill
    assert border.degrees == pytest.approx(degrees, abs=3)


def test_bars_are_found_and_cut_off():
    photo = np.asarray(landscape()).copy()
    photo[:20] = photo[-24:] = 0
    border = find_border(photo)
    assert border is not None
    assert border.degrees == pytest.approx(0, abs=1)
    kept = without_border(photo, border)
    assert 110 <= kept.shape[0] <= 116
    assert kept.shape[1] >= 154
    assert kept.max(axis=2).min() > 24


@pytest.mark.parametrize("degrees", [-30, 12])
def test_a_turned_photo_is_turned_back_and_nothing_of_the_border_is_left(degrees):
    photo = landscape()
    turned = np.asarray(photo.rotate(-degrees, Image.Resampling.BICUBIC))
    kept = without_border(turned, find_border(turned))
    assert kept.max(axis=2).min() > 24
    assert min(kept.shape[:2]) > 60
    half = np.array(kept.shape[:2]) // 2
    middle = np.asarray(photo)[80 - half[0] : 80 + half[0], 80 - half[1] : 80 + half[1]]
    same = kept[: 2 * half[0], : 2 * half[1]]
    assert np.corrcoef(middle.ravel(), same.ravel())[0, 1] > 0.5


def test_what_is_inside_a_border_leaves_it_out():
    turned = np.asarray(landscape().rotate(20, Image.Resampling.BICUBIC))
    kept = inside(find_border(turned), turned.shape) > 0
    assert turned[kept].max(axis=-1).min() > 24
    assert 0.6 < kept.mean() < 0.95


@pytest.mark.skipif(not RAW.exists(), reason="needs ../shared/birds25_raw_sample")
def test_nine_of_ten_borders_of_the_published_photos_are_found_and_nearly_none_elsewhere():
    manifest = SHARED / "birds25" / "manifest.csv"
    lines = [line.split(",") for line in manifest.read_text().splitlines()[1:]]
    turned = {file for _, _, file, *_, degrees, _ in lines if float(degrees)}
    files = sorted(RAW.glob("*/*/*.jpg"))
    with_border = [file for file in files if file.name in turned]
    assert len(with_border) == 97
    assert np.mean(found_in(with_border)) >= 0.9
    without = [f for f in files if f.parts[-2] not in (*BORDERED, "Sarus-Crane")]
    assert np.mean(found_in(without)) <= 0.02


@pytest.mark.skipif(not VAL.exists(), reason="needs ../shared/birds25")
def test_cleaned_photos_raise_few_alarms():
    assert np.mean(found_in(sorted(VAL.glob("*/*.jpg"))[::2])) <= 0.02
