"""Photos of a distant bird, made of val photos and photos without a bird, and their answers.

A val photo is shrunk onto a larger outlier. Its bird takes about half of its width, so the pasted
photo is twice as wide as the bird is meant to be.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from PIL import Image

from plumage.contract import LOOKS, NOVELTY_THRESHOLD
from plumage.looks import ONE_LOOK, answer
from trainer.checkpoint.predictions import BATCH, whole_photos
from trainer.data.batches import backgrounds_of
from trainer.data.outliers import OUTLIERS, OutlierFolder
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet
from trainer.metrics import opened

WIDTHS = (40, 20, 10)  # of the bird, in % of the frame's width
BIRD = 0.5  # of a val photo's width is bird
FRAME = 800  # px, the longer side: at 10% the pasted photo keeps all its pixels
EVERY = 4  # every fourth val photo
# Mean and deviation of a bird's place, as parts of the frame: those of photos as people take them.
ACROSS, DOWN = (0.5, 0.12), (0.51, 0.065)


def measure_small_birds(
    model: Path, threshold: float, source: PhotoFolder, val: PhotoSet, outliers: Path, cache: Path
) -> list[dict[str, Any]]:
    """A row for each width of the bird and each way to look.

    Args:
        model: model.onnx.
        threshold: of its novelty at one look.
        source: of the val photos.
        val: at any size, for its labels.
        outliers: folder of photos of none of the species; those in its folder no_bird are used.
        cache: where decoded photos are kept.

    Returns:
        Rows of looks (their names), degree (% of the width), and shares of the photos: accuracy,
        accepted, and right_and_accepted.
    """
    files = [file for file in source.files["val"] if str(file) not in val.skipped][::EVERY]
    labels = val.labels[::EVERY]
    backgrounds = background_files(outliers, cache)
    metadata = {entry.key: entry.value for entry in onnx.load(model).metadata_props}
    ways: list[tuple[tuple[str, ...], float, float]] = [(ONE_LOOK, 0.0, threshold)]
    if LOOKS in metadata:
        looks = json.loads(metadata[LOOKS])
        ways.append((tuple(looks["names"]), looks["energy_weight"], looks[NOVELTY_THRESHOLD]))
    run, side = opened(model)
    found: dict[tuple[int, int], list[tuple[bool, bool]]] = {}
    for start in range(0, len(files), BATCH):
        birds = list(whole_photos(map(source.path, files[start : start + BATCH])))
        places = range(start, start + len(birds))
        grounds = list(whole_photos(backgrounds[place % len(backgrounds)] for place in places))
        for width in WIDTHS:
            frames = [
                distant(bird, ground, width, np.random.default_rng(start + number))
                for number, (bird, ground) in enumerate(zip(birds, grounds, strict=True))
            ]
            for way, (names, weight, least) in enumerate(ways):
                given = answer(run, frames, side, names, weight)
                right = given.logits.argmax(axis=1) == labels[start : start + BATCH]
                accepted = given.novelty <= least
                found.setdefault((way, width), []).extend(zip(right, accepted, strict=True))
    return [
        {
            "looks": list(ways[way][0]),
            "degree": width,
            "accuracy": float(np.mean([right for right, _ in pairs])),
            "accepted": float(np.mean([accepted for _, accepted in pairs])),
            "right_and_accepted": float(np.mean([right and ok for right, ok in pairs])),
        }
        for (way, width), pairs in sorted(found.items(), key=lambda item: (item[0][0], -item[0][1]))
    ]


def background_files(outliers: Path, cache: Path) -> list[Path]:
    """The photos without a bird; raises PhotoSetError where the folder holds no photo."""
    folder = OutlierFolder(outliers)
    folder.check()
    photos = folder.load(OUTLIERS, 8, cache)
    good = [file for file in folder.files[OUTLIERS] if str(file) not in photos.skipped]
    return [folder.path(good[index]) for index in backgrounds_of(photos)]


def distant(
    bird: Image.Image, ground: Image.Image, width: int, rng: np.random.Generator
) -> Image.Image:
    """A photo shrunk onto another one, so that its bird takes `width` % of the frame's width."""
    scale = FRAME / max(ground.size)
    frame = ground.resize(
        (round(ground.width * scale), round(ground.height * scale)), Image.Resampling.BICUBIC
    )
    side = min(round(frame.width * width / 100 / BIRD), min(frame.size))
    places = [rng.normal(*place) for place in (ACROSS, DOWN)]
    left, top = (
        round(min(max(place * length - side / 2, 0), length - side))
        for place, length in zip(places, frame.size, strict=True)
    )
    frame.paste(bird.resize((side, side), Image.Resampling.BICUBIC), (left, top))
    return frame
