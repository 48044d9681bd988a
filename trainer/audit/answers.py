"""What a checkpoint answers on a photo set, upright and upside down."""

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from PIL import Image
from scipy import special

from trainer.audit.survey import Pixels

BATCH = 32


@dataclass(frozen=True)
class SetAnswers:
    """Logits (photos, outputs) of a checkpoint for every photo.

    Attributes:
        upright, flipped: of the photo and of its upside-down copy.
        species: names in the order of the logits.
        temperature: by which logits are divided before they become probabilities.
    """

    upright: NDArray[np.float32]
    flipped: NDArray[np.float32]
    species: tuple[str, ...]
    temperature: float

    def columns(self, species: Sequence[str]) -> NDArray[np.int64]:
        """(species,) where each species stands in the logits, -1 where the network knows none."""
        return np.array([self.species.index(n) if n in self.species else -1 for n in species])

    def probabilities(self, species: Sequence[str]) -> NDArray[np.float64] | None:
        """(photos, species) among these species; None if the network does not know all of them."""
        columns = self.columns(species)
        if (columns < 0).any():
            return None
        return special.softmax(self.upright[:, columns].astype(float) / self.temperature, axis=1)


def answer(model: Path, pixels: Pixels) -> SetAnswers:
    """Ask an exported model about every photo, on all cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    size = int(metadata["image_size"])

    def batch(start: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        indices = range(start, min(start + BATCH, len(pixels)))
        squeezed = [
            Image.fromarray(pixels[i]).resize((size, size), Image.Resampling.BICUBIC)
            for i in indices
        ]
        photos = np.stack([np.asarray(photo) for photo in squeezed])
        turned = np.ascontiguousarray(photos[:, ::-1])
        upright, flipped = (session.run(["logits"], {"photos": way})[0] for way in (photos, turned))
        return upright, flipped

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(batch, range(0, len(pixels), BATCH)))
    upright, flipped = (np.concatenate(way) for way in zip(*parts, strict=True))
    species = tuple(json.loads(metadata["species"]))
    return SetAnswers(upright, flipped, species, float(metadata.get("temperature", 1)))
