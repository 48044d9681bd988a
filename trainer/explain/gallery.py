"""The gallery: the most telling test photos of some species, each with two heatmaps.

    gallery/<variant>/gallery.json       one entry a photo
    gallery/<variant>/<species>-<kind>-<n>.jpg, -answered.jpg, -true.jpg

The folder holds photos, so git ignores it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pytorch_grad_cam.utils.image import scale_cam_image, show_cam_on_image

from plumage.photos import read_photo
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet
from trainer.utils.files import replacing_folder

EACH = 3  # photos of a kind


@dataclass(frozen=True)
class Predictions:
    """A variant's predictions and heatmaps of every test photo.

    Attributes:
        probabilities: (photos, species) float32.
        maps: (photos, h, w), Grad-CAM of the species that is answered.
        true_maps: (photos, h, w), of the species that is there.
    """

    probabilities: NDArray[np.float32]
    maps: NDArray[np.float32]
    true_maps: NDArray[np.float32]

    @property
    def species(self) -> NDArray[np.int64]:
        """(photos,) the species answered."""
        return self.probabilities.argmax(axis=1)


def select_exhibits(
    probabilities: NDArray[np.float32], labels: NDArray[np.int64], species: int
) -> dict[str, list[int]]:
    """A species' photos: most confident correct and wrong predictions, and least confident ones.

    probabilities: (photos, species). labels: (photos,). Returns indices of photos by kind.
    """
    surest = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    of_it = labels == species
    first, last = np.argsort(-surest, kind="stable"), np.argsort(surest, kind="stable")
    return {
        "right": [int(i) for i in first if of_it[i] and right[i]][:EACH],
        "wrong": [int(i) for i in first if of_it[i] and not right[i]][:EACH],
        "doubtful": [int(i) for i in last if of_it[i]][:EACH],
    }


def write_gallery(
    gallery: Path,
    variant: str,
    source: PhotoFolder,
    test: PhotoSet,
    answers: Predictions,
    wanted: Sequence[str],
) -> None:
    """Replace one variant's part, whole or not at all."""
    skipped = set(test.skipped)
    files = [file for file in source.files["test"] if str(file) not in skipped]
    with replacing_folder(gallery / variant) as home:
        entries = [
            write_exhibit(home, f"{name}-{kind}-{n}", source.path(files[index]), answers, index)
            | {"species": name, "kind": kind, "answered": test.species[answers.species[index]]}
            for name in wanted
            for kind, chosen in select_exhibits(
                answers.probabilities, test.labels, test.species.index(name)
            ).items()
            for n, index in enumerate(chosen, start=1)
        ]
        text = json.dumps(entries, indent=1) + "\n"
        (home / "gallery.json").write_text(text, encoding="utf-8")


def write_exhibit(
    home: Path, stem: str, file: Path, answers: Predictions, index: int
) -> dict[str, Any]:
    """Write a photo and its two heatmaps; returns its name and the prediction's probability."""
    photo = read_photo(file.read_bytes(), limited=False)
    photo.save(home / f"{stem}.jpg", quality=95)
    for which, heatmap in (("answered", answers.maps[index]), ("true", answers.true_maps[index])):
        painted(photo, heatmap).save(home / f"{stem}-{which}.jpg", quality=90)
    probability = round(float(answers.probabilities[index].max()), 4)
    return {"photo": f"{stem}.jpg", "probability": probability}


def painted(photo: Image.Image, heatmap: NDArray[np.float32]) -> Image.Image:
    """The photo under its heatmap, in a palette for colour-blind readers."""
    scaled = scale_cam_image(heatmap[None], photo.size)[0]
    pixels = np.asarray(photo, np.float32) / 255
    return Image.fromarray(
        show_cam_on_image(pixels, scaled, use_rgb=True, colormap=cv2.COLORMAP_INFERNO)
    )
