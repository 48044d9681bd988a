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

from plumage.looks import LOOKS, Answer, answer, energy
from plumage.photos import read_photo
from trainer.checkpoint.export.classifier_onnx import strip_debug_info
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet
from trainer.metrics import onnx_outputs, opened
from trainer.utils.files import replacing

BATCH = 8  # photos answered at once

Pixels = NDArray[np.uint8]
Found = tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]  # as by `looks.Run`


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


def keep_predictions(
    model: Path, source: PhotoFolder, photos: dict[str, PhotoSet], split: str
) -> None:
    """Keep what `cached_predictions` and `looked_at` return for a split, made in one pass.

    A batch whose first look is at the same pixels as the one look is answered once: square photos
    are whole in their largest square.
    """
    squares = photos[split]
    one_kept, several_kept = (_place(model, squares, looks) for looks in ((), LOOKS))
    if one_kept.exists() or several_kept.exists():
        return
    files = [file for file in source.files[split] if str(file) not in squares.skipped]
    print(f"predicting {len(files):,} {split} photos by one look and by several", flush=True)
    one, several = by_one_and_several(model, squares.pixels, whole_photos(map(source.path, files)))
    _keep(one, one_kept)
    _keep(several, several_kept)


def by_one_and_several(
    model: Path, squares: Pixels, photos: Iterable[Image.Image]
) -> tuple[Predictions, Predictions]:
    """An exported model's predictions on the same photos by one look, and by LOOKS.

    squares: (N, S, S, 3) uint8, the photos as the one look sees them.
    photos: N in RGB, of any shapes.
    """
    run, side = opened(model)
    one, several = [], []
    for number, batch in enumerate(_batches(photos)):
        seen = np.ascontiguousarray(squares[number * BATCH : (number + 1) * BATCH])
        found = run(seen)

        def look(pixels: Pixels, seen: Pixels = seen, found: Found = found) -> Found:
            return found if np.array_equal(pixels, seen) else run(pixels)

        one.append(Predictions(found[0], found[2]))
        several.append(_of(answer(look, batch, side, LOOKS)))
    return _joined(one), _joined(several)


def by_looks(
    model: Path, photos: Iterable[Image.Image], names: Sequence[str], energy_weight: float = 0.0
) -> Predictions:
    """An exported model's predictions on one RGB photo at least, of any shapes.

    names, energy_weight: as for `plumage.looks.answer`.
    """
    run, side = opened(model)
    return _joined(
        [_of(answer(run, batch, side, names, energy_weight)) for batch in _batches(photos)]
    )


def whole_photos(files: Iterable[Path]) -> Iterator[Image.Image]:
    """Photos as they are, one after the other; raises PhotoError."""
    return (read_photo(file.read_bytes(), limited=False) for file in files)


def _batches(photos: Iterable[Image.Image]) -> Iterator[list[Image.Image]]:
    waiting = iter(photos)
    while batch := list(islice(waiting, BATCH)):
        yield batch


def _of(answered: Answer) -> Predictions:
    return Predictions(answered.logits, answered.novelty)


def _joined(parts: Sequence[Predictions]) -> Predictions:
    return Predictions(*map(np.concatenate, zip(*parts, strict=True)))


def _kept(
    model: Path, photos: PhotoSet, looks: Sequence[str], predicted: Callable[[], Predictions]
) -> Predictions:
    """The predictions in the file beside photos; where there is none, they are made and kept."""
    kept = _place(model, photos, looks)
    if not kept.exists():
        _keep(predicted(), kept)
    return Predictions(**safetensors.numpy.load_file(kept))


def _keep(found: Predictions, kept: Path) -> None:
    with replacing(kept) as temporary:
        safetensors.numpy.save_file(found._asdict(), temporary)


def _place(model: Path, photos: PhotoSet, looks: Sequence[str]) -> Path:
    """The file beside photos that keeps a model's predictions by these looks."""
    # Without metadata, to which calibration adds thresholds fitted on these predictions.
    graph = strip_debug_info(onnx.load(model)).SerializeToString(deterministic=True)
    digest = hashlib.sha256(graph + "-".join(looks).encode()).hexdigest()[:16]
    name = f"{photos.array.stem}-{digest}{'-looks' if looks else ''}.safetensors"
    return photos.array.with_name(name)
