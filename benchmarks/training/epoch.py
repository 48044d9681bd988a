"""A whole epoch of the trainer, against its bare training step and against a plain script; and
its batches alone, against torchvision's transforms of one photo after the other.

    python -m benchmarks.training.epoch PHOTOS

All comparisons alternate in one run. The plain script is `benchmarks.training.plain_script`, in a
process of its own, with the settings that a student would use.
"""

import statistics
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import torch
from torchvision.transforms import InterpolationMode, v2
from tqdm import tqdm

from benchmarks.timing import report, speed
from trainer.data.batches import Batches
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet
from trainer.recipe import Recipe
from trainer.schedule import training_size
from trainer.state import new_run
from trainer.training import train_epoch, train_step
from trainer.utils.system import prepare

REPEATS = 5
PLAIN_BATCHES = 2


def epoch_speed(recipe: Recipe, photos: PhotoSet) -> float:
    """Photos/s of one epoch as the trainer runs it: reading, augmenting, stepping, scoring."""
    run = new_run(recipe, len(photos.species))
    start = time.perf_counter()
    with tqdm(disable=True) as bar:
        train_epoch(run, recipe, photos, bar)
    return len(photos.labels) / (time.perf_counter() - start)


def bare_speed(recipe: Recipe, photos: PhotoSet) -> float:
    """Photos/s of as many training steps, all on the same batch."""
    run = new_run(recipe, len(photos.species))
    size = training_size(recipe, 0)
    batch, labels = Batches(photos, recipe, size, 0).batch(torch.arange(recipe.batch_size))
    steps = len(photos.labels) // recipe.batch_size
    start = time.perf_counter()
    for _ in range(steps):
        train_step(run, recipe, batch, labels)
    return steps * recipe.batch_size / (time.perf_counter() - start)


def batches_speed(recipe: Recipe, photos: PhotoSet) -> float:
    """Photos/s of augmented batches without any training."""
    batches = Batches(photos, recipe, training_size(recipe, 0), 0)
    start = time.perf_counter()
    count = sum(len(labels) for _, labels in batches)
    return count / (time.perf_counter() - start)


def one_by_one_speed(recipe: Recipe, photos: PhotoSet) -> float:
    """Photos/s of torchvision's transforms, a photo at a time, into batches like those."""
    size, pixels = training_size(recipe, 0), photos.pixels

    def crop(kind: InterpolationMode, antialias: bool) -> v2.Transform:
        area, aspect = (recipe.smallest_crop, 1.0), (0.8, 1.25)
        return v2.RandomResizedCrop(size, area, aspect, interpolation=kind, antialias=antialias)

    linear, cubic = InterpolationMode.BILINEAR, InterpolationMode.BICUBIC
    crops = v2.RandomChoice([crop(linear, True), crop(cubic, True), crop(linear, False)])
    transform = v2.Compose([crops, v2.RandomHorizontalFlip()])
    start = time.perf_counter()
    for part in torch.randperm(len(photos.labels)).split(recipe.batch_size):
        batch = torch.empty(len(part), size, size, 3, dtype=torch.uint8)
        for row, index in enumerate(part):
            photo = torch.from_numpy(pixels[index].copy()).permute(2, 0, 1)
            batch[row] = transform(photo).permute(1, 2, 0)
    return len(photos.labels) / (time.perf_counter() - start)


def plain_speed(folder: str) -> float:
    """Photos/s of the plain script, by its own word."""
    command = [sys.executable, "-m", "benchmarks.training.plain_script", folder, str(PLAIN_BATCHES)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def main(folder: str) -> None:
    """Print all comparisons and write them to benchmarks/results/epoch.json."""
    prepare()
    recipe = replace(Recipe(), data=folder, first_scale=1.0)
    source = PhotoFolder(Path(folder))
    source.check()
    photos = source.load("train", recipe.stored_size, Path("runs") / "cache")

    def first(count: int) -> PhotoSet:
        return replace(photos, labels=photos.labels[:count])

    large = replace(recipe, image_size=256, batch_size=32)
    for warm_up in (recipe, large):
        bare_speed(warm_up, first(warm_up.batch_size))
    comparisons = {
        f"the bare step on one batch, {recipe.image_size} px": (
            lambda: epoch_speed(recipe, first(960)),
            lambda: bare_speed(recipe, first(960)),
            0.9,
        ),
        f"batches alone, torchvision's one by one, {recipe.image_size} px": (
            lambda: batches_speed(recipe, first(960)),
            lambda: one_by_one_speed(recipe, first(960)),
            1.0,
        ),
        "the plain script, 256 px": (
            lambda: epoch_speed(large, first(320)),
            lambda: plain_speed(folder),
            6.0,
        ),
    }
    rows = []
    for against, (ours, other, aim) in comparisons.items():
        pairs = [(ours(), other()) for _ in range(REPEATS)]
        speeds, rivals = zip(*pairs, strict=True)
        ratio = speed(rivals, speeds)
        rows.append(
            {
                "against": against,
                "photos/s": statistics.median(speeds),
                "its photos/s": statistics.median(rivals),
                "speed": ratio,
                "aim": aim,
                "holds": ratio >= aim,
            }
        )
    report("epoch", "A whole epoch of the trainer, data and all", rows)


if __name__ == "__main__":
    main(sys.argv[1])
