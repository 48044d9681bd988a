import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from trainer.audit.detect.borders import find_border
from trainer.audit.detect.duplicates import NearDuplicates, describe, find_near_duplicates, groups

SHARED = Path(__file__).parents[5] / "shared"
RAW = SHARED / "birds25_raw_sample"
VAL = SHARED / "birds25" / "val"
NEAR_DUPLICATES = """\
Asian-Green-Bee-Eater 1645dc2b31eb 236e7304bde3
Asian-Green-Bee-Eater cca757f33ae6 e1e9cc60100c
Brown-Headed-Barbet 96d3e25651c6 d7865432362c
Brown-Headed-Barbet a9c214f723e2 b0c2b886d698
Cattle-Egret 2d2114e6327c ae1f9f882a17
Cattle-Egret 366de13bc705 fe4a8b28fb1b
Common-Kingfisher 1b2d3a4b3c3b ca598f66b2b1
Common-Kingfisher 39f9d6e5ef34 0fc87aa5e469
Common-Myna 7f6a721e0515 6a0af68234ec
Common-Myna b5424855a023 74185a3285b3
Common-Rosefinch 4580b071f1f9 8cd014175bda
Common-Rosefinch b1b032e2fb05 31141d857f0b
Common-Tailorbird 9fc65cfdea94 4eccf4df3cd6
Common-Tailorbird f4cde69153df 31ca93df870e
Coppersmith-Barbet d39b3a860a2e f786a0366f4d
Coppersmith-Barbet daa0e9a1a8ce 289f096246fc
Forest-Wagtail abaf69257bbc 378f0a72aecb
Forest-Wagtail dcc82f1a6d40 4d660d8ed374
Gray-Wagtail 707283f455f1 5e93554412d4
Gray-Wagtail b537d8471e07 d68aff0e7707
Hoopoe 13a89ce6d240 a8ac5281517e
Hoopoe bbedc5069beb eab060b81259
House-Crow a036ba8a780f e2ac37fc7373
House-Crow e9e5c68d2440 114f25c16fe2
Indian-Grey-Hornbill 2ce598a9028a b0ad38784a91
Indian-Grey-Hornbill 3d80a352836d 65c7480d62ae
Indian-Peacock 34ea7ac2c0ad 0886824b886e
Indian-Peacock ae378707c01f 971e468d80c5
Indian-Pitta 3e7627aacc86 393bc428db3f
Indian-Pitta fa5153f63d11 fe75d042e6bc
Indian-Roller 3320c6646078 6b0987c4b25b
Indian-Roller af23ff4e4b12 5a8ba2f63c58
Jungle-Babbler a8cff2cf7e64 b43a188f2bba
Jungle-Babbler b565ede2ba88 4fcc675a2e5c
Northern-Lapwing 70ac1068d53e 2106cb4949d7
Northern-Lapwing cdc3593c536e 1340af921476
Red-Wattled-Lapwing a3cea2fc34e6 a45c4d16d362
Red-Wattled-Lapwing dd377c7ace66 952bce9d50d3
Ruddy-Shelduck 6f7e86bc5ac4 3aeef3ff5657
Ruddy-Shelduck 74e7df6815a8 fed333cc9582
Rufous-Treepie 53867e3948c8 45138df7dbb8
Rufous-Treepie 53879773ea0e 7b12baef6060
Sarus-Crane 471a0ffe42fa f8b1f54ce734
Sarus-Crane 5824784c7a55 1423f234ccdb
White-Breasted-Kingfisher 5684bd9cf6e9 007850624e0d
White-Breasted-Kingfisher 9594985b1bad b82547f03001
White-Breasted-Waterhen 0a3c0c4858fd 6df46d34e851
White-Breasted-Waterhen 84bf68ceda58 7d8579e77690
White-Wagtail 9140fc7a9afa 6f1cdee76adc
White-Wagtail d6066fb8308c be4e243e2c55
"""  # species, test photo, its near-duplicate in train; each pair was looked at


def squeezed(photos: list[Image.Image]) -> np.ndarray:
    size = (160, 160)
    return np.stack(
        [np.asarray(p.convert("RGB").resize(size, Image.Resampling.BICUBIC)) for p in photos]
    )


def related(photos: list[Image.Image]) -> list[NearDuplicates]:
    described = [
        describe(pixels, photo.size, find_border(pixels))
        for pixels, photo in zip(squeezed(photos), photos, strict=True)
    ]
    return find_near_duplicates(described, [str(hash(photo.tobytes())) for photo in photos])


def landscape(seed: int) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8)).resize((160, 160))
    fine = Image.fromarray(rng.integers(0, 256, (40, 40, 3), dtype=np.uint8)).resize((160, 160))
    return Image.blend(coarse, fine, 0.4)


def recompressed(photo: Image.Image, quality: int = 30) -> Image.Image:
    file = io.BytesIO()
    photo.save(file, "JPEG", quality=quality)
    return Image.open(file)


CHANGES = {
    "recompressed": recompressed,
    "mirrored": lambda photo: recompressed(photo.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
    "upside down": lambda photo: photo.transpose(Image.Transpose.FLIP_TOP_BOTTOM),
    "on its side": lambda photo: photo.transpose(Image.Transpose.ROTATE_90),
    "cropped": lambda photo: recompressed(photo.crop((10, 20, 140, 150)), 70),
    "turned": lambda photo: photo.rotate(15, Image.Resampling.BICUBIC),
    "small": lambda photo: photo.resize((48, 48)),
    "brighter": lambda photo: photo.point(lambda value: min(255, int(1.3 * value))),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_copy_is_a_relative_of_its_photo_alone(change):
    photos = [landscape(seed) for seed in range(8)]
    found = related([*photos, CHANGES[change](photos[3])])
    assert [{pair.first, pair.second} for pair in found] == [{3, 8}]


def test_the_same_bytes_are_the_same_file():
    photos = [landscape(0), landscape(1), landscape(0), landscape(0)]
    found = related(photos)
    assert {pair.kind for pair in found} == {"same file"}
    assert len(set(groups(found, 4).tolist())) == 2


def test_near_duplicates_of_near_duplicates_are_one_group():
    pairs = [NearDuplicates(0, 3, "copy"), NearDuplicates(3, 4, "same scene")]
    assert groups(pairs, 5).tolist() == [0, 1, 2, 0, 0]


def test_one_photo_has_no_relative():
    assert related([landscape(0)]) == []


@pytest.mark.skipif(not RAW.exists(), reason="needs ../shared/birds25_raw_sample")
def test_most_planted_near_duplicates_are_found_and_next_to_nothing_else():
    files = sorted(RAW.glob("*/*/*.jpg"))
    found = {
        frozenset((files[pair.first].stem, files[pair.second].stem))
        for pair in related([Image.open(file) for file in files])
    }
    planted = {frozenset(line.split()[1:]) for line in NEAR_DUPLICATES.splitlines()}
    assert len(planted) == 50
    assert len(found & planted) >= 0.8 * len(planted)
    assert len(found - planted) <= 0.02 * len(files)


@pytest.mark.skipif(not VAL.exists(), reason="needs ../shared/birds25")
def test_cleaned_photos_raise_few_alarms():
    files = sorted(VAL.glob("*/*.jpg"))[:500]  # whole species: bursts are within one
    found = related([Image.open(file) for file in files])
    assert len(found) <= 0.02 * len(files)
