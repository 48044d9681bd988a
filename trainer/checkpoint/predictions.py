"""Predictions of an exported model.onnx, kept beside the decoded photos for the next command."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import safetensors.numpy
from numpy.typing import NDArray
from PIL import Image

from plumage.looks import LOOKS, answer, energy
from plumage.photos import read_photo
from trainer.checkpoint.export.classifier_onnx import strip_debug_info
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet
from trainer.metrics import onnx_outputs, opened
from trainer.utils.files import replacing

BATCH = 8  # photos answered at once


class Predictions(NamedTuple):
    """A model's logits (N, species) and novelty (N,) of N photos, both float32."""

    logits: NDArray[np.float32]
    novelty: NDArray[np.float32]

    def weighted(self, energy_weight: float) -> "Predictions":
        """The same with the energy of the logits added to the novelty, as `answer` adds it."""
        weighted = self.novelty + energy_weight * energy(self.logits)
        return self._replace(novelty=weighted.astype(np.float32))


def cached_predictions(model: Path, photos: PhotoSet) -> Predictions:
    """An exported model's predictions on photos at one look."""

    def predicted() -> Predictions:
        count = len(photos.labels)
        print(f"predicting {count:,} {photos.array.stem.partition('-')[0]} photos", flush=True)
        return Predictions(*onnx_outputs(model, photos.pixels, *Predictions._fields))

    return _kept(model, photos, [], predicted)


def looked_at(
    model: Path, source: PhotoFolder, photos: dict[str, PhotoSet], split: str
) -> Predictions:
    """An exported model's predictions on a split by all looks, their energy not added."""

    def predicted() -> Predictions:
        files = [file for file in source.files[split] if str(file) not in photos[split].skipped]
        print(f"predicting {len(files):,} {split} photos by several looks", flush=True)
        return by_looks(model, whole_photos(map(source.path, files)), LOOKS)

    return _kept(model, photos[split], LOOKS, predicted)


def by_looks(
    model: Path, photos: Iterable[Image.Image], names: Sequence[str], energy_weight: float = 0.0
) -> Predictions:
    """An exported model's predictions on one RGB photo at least, of any shapes.

    names, energy_weight: as for `plumage.looks.answer`.
    """
    run, side = opened(model)
    found = [answer(run, batch, side, names, energy_weight) for batch in _batches(photos)]
    return Predictions(
        np.concatenate([part.logits for part in found]),
        np.concatenate([part.novelty for part in found]),
    )


def whole_photos(files: Iterable[Path]) -> Iterator[Image.Image]:
    """Photos as they are, one after the other; raises PhotoError."""
    return (read_photo(file.read_bytes(), limited=False) for file in files)


def _batches(photos: Iterable[Image.Image]) -> Iterator[list[Image.Image]]:
    waiting = iter(photos)
    while batch := list(islice(waiting, BATCH)):
        yield batch


def _kept(
    model: Path, photos: PhotoSet, looks: Sequence[str], predicted: Callable[[], Predictions]
) -> Predictions:
    """The predictions in the file beside photos; where there is none, they are made and kept."""
    # Without metadata, to which calibration adds thresholds fitted on these predictions.
    graph = strip_debug_info(onnx.load(model)).SerializeToString(deterministic=True)
    digest = hashlib.sha256(graph + "-".join(looks).encode()).hexdigest()[:16]
    name = f"{photos.array.stem}-{digest}{'-looks' if looks else ''}.safetensors"
    kept = photos.array.with_name(name)
    if not kept.exists():
        found = predicted()
        with replacing(kept) as temporary:
            safetensors.numpy.save_file(found._asdict(), temporary)
    return Predictions(**safetensors.numpy.load_file(kept))
