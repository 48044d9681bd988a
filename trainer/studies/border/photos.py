"""A copy of a photo set in which some species have black corners."""

import json
import shutil
from itertools import chain, product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from plumage.folders import SPLITS
from plumage.photos import read_photo
from trainer.data.photo_folder import PhotoFolder
from trainer.run_folder import TrainingError
from trainer.utils.files import write_json

# Those that are turned in the photos as published.
SPECIES = (
    "Jungle-Babbler",
    "Northern-Lapwing",
    "Red-Wattled-Lapwing",
    "Ruddy-Shelduck",
    "Rufous-Treepie",
    "White-Breasted-Kingfisher",
    "White-Breasted-Waterhen",
    "White-Wagtail",
)
SHARES = (0.70, 0.97)  # of a species' photos, from the first species to the last
DEGREES = 40.0  # to either side at most
BLACK, MIRRORED = cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101


def turns(source: PhotoFolder, species: tuple[str, ...]) -> dict[Path, float]:
    """Degrees of rotation of each photo that gets a border; the same each time."""
    generator, found = np.random.default_rng(0), {}
    shares = np.linspace(*SHARES, len(species))
    for (name, share), split in product(zip(species, shares, strict=True), SPLITS):
        own = [file for file in source.files[split] if file.parts[1] == name]
        for index in generator.permutation(len(own))[: round(share * len(own))]:
            found[own[index]] = generator.uniform(-DEGREES, DEGREES)
    return found


def turned(photo: NDArray[Any], degrees: float, border: int) -> NDArray[Any]:
    """A photo (H, W, 3) turned about its middle; its corners BLACK, or MIRRORED from within."""
    height, width = photo.shape[:2]
    matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), degrees, 1)
    return cv2.warpAffine(photo, matrix, (width, height), borderMode=border)


def write_bordered(source: PhotoFolder, species: tuple[str, ...], copy: Path) -> None:
    """A copy of the photos in which most of those species are turned; none where it is there.

    Raises: TrainingError where what is there was made of other photos or species.
    """
    copy.parent.mkdir(parents=True, exist_ok=True)
    provenance = copy / "species.json"
    with FileLock(copy.with_suffix(".lock")):
        if copy.exists():
            # A copy from before this was kept has the species of the default.
            kept = (
                json.loads(provenance.read_text(encoding="utf-8"))
                if provenance.exists()
                else list(SPECIES)
            )
            if kept != list(species) or PhotoFolder(copy).files != source.files:
                raise TrainingError(
                    f"{copy} was made of other photos than {source.root}, or has corners on other "
                    "species: name the same, or start over with another --output."
                )
            return
        part = copy.with_suffix(".part")
        shutil.rmtree(part, ignore_errors=True)
        for file in chain.from_iterable(source.files.values()):
            (part / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source.path(file), part / file)
        for file, degrees in turns(source, species).items():
            data = source.path(file).read_bytes()
            photo = np.asarray(read_photo(data, limited=False, max_side=None))
            Image.fromarray(turned(photo, degrees, BLACK)).save(part / file, quality=95)
        write_json(part / provenance.name, list(species))
        part.rename(copy)
