"""Figures for docs/scale.md, beside those of the other benchmarks.

    python -m benchmarks.scale PHOTOS

The same photos are answered by the folder command and by Ray Data on as many workers as
there are cores, each for as long as rows come; what a training photo costs is counted, and the time
that augmenting it takes of one core.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Generator
from pathlib import Path

import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.timing import report
from plumage.folders import list_photos
from streamlit_app.batch import open_variant
from streamlit_app.inference import ray as cluster
from streamlit_app.inference.classifier import checkpoints_folder
from streamlit_app.inference.pool import classifiers
from streamlit_app.inference.table import Row, rows_of_folder
from trainer.data.batches import Batches
from trainer.data.photo_folder import PhotoFolder
from trainer.model.norms import Norm
from trainer.recipe import Recipe
from trainer.state import new_run
from trainer.training import train_step
from trainer.utils.system import prepare

PHOTOS = 1000
BATCHES = 20


def rate(rows: Generator[Row]) -> tuple[float, float]:
    """Seconds until the first row, and rows a second from then on."""
    start = time.perf_counter()
    next(rows)
    first = time.perf_counter()
    count = sum(1 for _ in rows)
    return first - start, count / (time.perf_counter() - first)


def answering(folder: Path) -> dict[str, float]:
    """Photos/s of both ways to answer a folder, and what its files weigh."""
    names = random.Random(0).sample(
        [photo.as_posix() for photo in list_photos(folder).photos], PHOTOS
    )
    classifier = open_variant(None, checkpoints_folder())
    classifiers.warm_up()
    _, alone = rate(rows_of_folder(classifier, folder, names))
    start, ray = rate(cluster.rows_of_folder("local", classifier, folder, names))
    return {
        "photos answered by one command, 1/s": alone,
        "photos answered by Ray Data, 1/s": ray,
        "until Ray Data's first row, s": start,
        "a photo's file, kB": statistics.mean((folder / n).stat().st_size for n in names) / 1e3,
    }


def training(folder: Path) -> dict[str, float]:
    """The cost of a photo in training with the best recipe at its full size."""
    recipe = Recipe()
    with tempfile.TemporaryDirectory() as cache:
        photos = PhotoFolder(folder).load("val", recipe.stored_size, Path(cache))
        batches = Batches(photos, recipe, recipe.image_size, 0)
        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        seconds = []
        for number in range(BATCHES):
            chosen = torch.arange(recipe.batch_size) + number
            start = time.perf_counter()
            batch, labels = batches.batch(chosen % len(photos.labels))
            seconds.append((time.perf_counter() - start) / len(batch))
        torch.set_num_threads(threads)
    run = new_run(recipe, len(photos.species))
    with FlopCounterMode(display=False) as counter:
        train_step(run, recipe, batch, labels)
    layers = [module.channels for module in run.network.modules() if isinstance(module, Norm)]
    return {
        "augmenting a training photo, ms of a core": 1e3 * statistics.median(seconds),
        "training on a photo, GFLOP": counter.get_total_flops() / len(batch) / 1e9,
        "weights": sum(weights.numel() for weights in run.network.parameters()),
        "norm layers": len(layers),
        "channels of all norm layers": sum(layers),
    }


def main(folder: str) -> None:
    """Measure and write benchmarks/results/scale.json."""
    prepare()
    measured = answering(Path(folder) / "test") | training(Path(folder))
    rows = [{"what": what, "value": value} for what, value in measured.items()]
    report("scale", "What more visitors, photos and machines are reckoned from", rows)


if __name__ == "__main__":
    main(sys.argv[1])
