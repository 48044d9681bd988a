"""Time of the one reader against plain Pillow.

    python -m benchmarks.reading PHOTOS

Both sides read the same files and resize each to the trainer's square, by turns in one process, and
are compared by processor time. Plain Pillow opens, turns by the EXIF tag, converts to RGB and
resizes, without colour profiles, limits or sentences. The aim is for the plain JPEGs of a photo
set; the other rows are drawn here. A phone's photo is decoded at a part of its size.
"""

import io
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageCms, ImageFilter, ImageOps

from benchmarks.timing import report, speed
from plumage.photos import read_photo, resized
from trainer.recipe import Recipe
from trainer.utils.timing import interleaved

PHOTOS, DRAWN = 300, 20
REPEATS = 15
AIM = 0.95


def plain(files: list[bytes], side: int) -> None:
    """Read the files as a script with Pillow does."""
    for data in files:
        with Image.open(io.BytesIO(data)) as opened:
            photo = ImageOps.exif_transpose(opened).convert("RGB")
        np.asarray(photo.resize((side, side), Image.Resampling.BICUBIC))


def ours(files: list[bytes], side: int) -> None:
    """Read the files as the trainer does."""
    for data in files:
        np.asarray(resized(read_photo(data, limited=False), side))


def drawn(size: tuple[int, int], profile: bytes | None) -> list[bytes]:
    """JPEGs of that size with as much detail as a landscape has."""
    rng, files = np.random.default_rng(0), []
    small = (size[1] // 8, size[0] // 8, 3)
    for _ in range(DRAWN):
        noise = Image.fromarray(rng.integers(0, 256, small, dtype=np.uint8))
        file = io.BytesIO()
        photo = noise.filter(ImageFilter.GaussianBlur(2)).resize(size)
        photo.save(file, "JPEG", quality=92, icc_profile=profile)
        files.append(file.getvalue())
    return files


def lot_of(source: Path) -> list[bytes]:
    """PHOTOS files of a photo set, drawn by lot."""
    names = sorted(source.glob("train/*/*.jpg"))
    return [file.read_bytes() for file in random.Random(0).sample(names, PHOTOS)]


def main(source: Path) -> None:
    """Time every kind of photo and write benchmarks/results/reading.json."""
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    kinds = {
        f"{PHOTOS} of {source.name}": (lot_of(source), AIM),
        "JPEGs of 0.8 megapixels": (drawn((1024, 768), None), AIM),
        "the same with a profile that is sRGB": (drawn((1024, 768), srgb), AIM),
        "a phone's, 12 megapixels": (drawn((4032, 3024), None), AIM),
    }
    rows: list[dict[str, Any]] = []
    side = Recipe.stored_size
    for kind, (files, aim) in kinds.items():
        sides = {"ours": lambda f=files: ours(f, side), "plain": lambda f=files: plain(f, side)}
        seconds = interleaved(sides, REPEATS, clock=time.process_time)
        ratio = speed(seconds["ours"], seconds["plain"])
        rows.append(
            {
                "photos": kind,
                "ms a photo": 1e3 * statistics.median(seconds["ours"]) / len(files),
                "plain Pillow, ms": 1e3 * statistics.median(seconds["plain"]) / len(files),
                "speed": ratio,
                "aim": aim,
                "holds": ratio >= aim,
            }
        )
    report("reading", "Reading photos, against plain Pillow", rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
