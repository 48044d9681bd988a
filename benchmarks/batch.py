"""Speed of the folder command against onnxruntime's own.

    python -m benchmarks.batch PHOTOS

Both sides answer the same photos on all cores. The rival is onnxruntime in a thread pool and
nothing else: with all cores on one batch, with a batch on each core, and with a batch on each core
that it has to decode and squeeze as well. Where it gets the photos decoded, no more than
1 / (1 + d / a) of its speed can be reached: d is what decoding and squeezing a photo takes of a
core, a what answering it does. The table's processes are started before the clock is, as its
rival's session is. The rows of a phone's photos, drawn here, show what decoding costs where the
photos are large.
"""

import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image, ImageFilter

from benchmarks.timing import report, speed
from plumage.contract import MODEL
from plumage.folders import list_photos
from plumage.photos import read_photo, resized
from streamlit_app.batch import fill_table, open_variant
from streamlit_app.inference.classifier import checkpoints_folder
from streamlit_app.inference.worker import PHOTOS_PER_CALL
from trainer.utils.timing import interleaved

PHOTOS = 400
PHONE_PHOTOS = 24
REPEATS = 7
AIM = 0.9


def draw_phone_photos(folder: Path) -> None:
    """JPEGs of 12 megapixels, with as much detail as the drawing of a landscape has."""
    noise = np.random.default_rng(0).integers(0, 256, (378, 504, 3), dtype=np.uint8)
    photo = Image.fromarray(noise).filter(ImageFilter.GaussianBlur(2)).resize((4032, 3024))
    for number in range(PHONE_PHOTOS):
        photo.save(folder / f"{number:02}.jpg", quality=92)


def onnxruntime_alone(
    model: Path, batches: Sequence[np.ndarray | list[Path]], threads: int, workers: int
) -> Callable[[], object]:
    """Answers every batch and does nothing else.

    batches: (N, S, S, 3) uint8 each, or files, which it decodes first.
    """
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model, options)
    side = session.get_inputs()[0].shape[1]

    def answer(batch: np.ndarray | list[Path]) -> object:
        photos = decoded(batch, side) if isinstance(batch, list) else batch
        return session.run(["logits", "heatmaps"], {"photos": photos})

    def run() -> None:
        with ThreadPoolExecutor(workers) as pool:
            list(pool.map(answer, batches))

    return run


def decoded(files: list[Path], side: int) -> np.ndarray:
    """(N, S, S, 3) uint8, the photos as the network sees them."""
    return np.stack([np.asarray(resized(read_photo(file.read_bytes()), side)) for file in files])


def linked(source: Path, folder: Path) -> None:
    """A folder of PHOTOS photos of the source, drawn by lot."""
    names = random.Random(0).sample(list_photos(source).photos, PHOTOS)
    for number, name in enumerate(names):
        (folder / f"{number:03}{name.suffix}").symlink_to((source / name).resolve())


def time_folder(title: str, folder: Path, repeats: int) -> list[dict[str, Any]]:
    """One row for each way to run onnxruntime."""
    classifier, cores = open_variant(None, checkpoints_folder()), os.cpu_count() or 1
    model = checkpoints_folder() / classifier.name / MODEL
    files = [folder / name for name in list_photos(folder).photos]
    batches = [
        files[start : start + PHOTOS_PER_CALL] for start in range(0, len(files), PHOTOS_PER_CALL)
    ]
    start = time.thread_time()
    pixels = [decoded(batch, classifier.image_size) for batch in batches]
    decoding = (time.thread_time() - start) / len(files)

    def table() -> None:
        out = folder / "birds.csv"
        fill_table(folder, out, classifier)
        out.unlink()

    alone = {
        "all cores on a batch": onnxruntime_alone(model, pixels, cores, 1),
        "a batch on each core": onnxruntime_alone(model, pixels, 1, cores),
        "a batch on each core, decoding": onnxruntime_alone(model, batches, 1, cores),
    }
    seconds = interleaved({"table": table, **alone}, repeats)
    return [
        {
            "photos": title,
            "onnxruntime": way,
            "photos/s": len(files) / statistics.median(seconds["table"]),
            "its photos/s": len(files) / statistics.median(seconds[way]),
            "decoding, ms of a core": 1e3 * decoding,
            "speed": speed(seconds["table"], seconds[way]),
            "aim": AIM,
            "holds": speed(seconds["table"], seconds[way]) >= AIM,
        }
        for way in alone
    ]


def main(source: Path) -> None:
    """Time both folders and write benchmarks/results/batch.json."""
    rows = []
    kinds: dict[str, tuple[Callable[[Path], None], int]] = {
        f"{PHOTOS} of {source.name}": (partial(linked, source), REPEATS),
        "a phone's, 12 megapixels": (draw_phone_photos, 3),
    }
    for title, (fill, repeats) in kinds.items():
        with tempfile.TemporaryDirectory() as folder:
            fill(Path(folder))
            rows += time_folder(title, Path(folder), repeats)
    report("batch", f"A folder to a table, against onnxruntime {onnxruntime.__version__}", rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
