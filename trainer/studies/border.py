"""What a border does to a network: trained on photos with one, and on the same photos without.

    python -m trainer.studies.border --data PHOTOS

In the photos as published 8 of the 25 species are turned by a random angle, with black corners.
This command makes a copy of a clean photo set with such corners, trains `bn` on both under one
short budget, and asks both networks about clean photos: checkpoints/results/border.json. Several of
these commands side by side share the runs and resume what was interrupted.

Our recipe's random crops cut most corners off, while the set was published for training on whole
photos: so there is a pair of runs without any augmentation, and then a pair with crops.
"""

import json
import shutil
import sys
from dataclasses import dataclass, replace
from itertools import chain, product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image

from plumage.contract import MODEL
from plumage.folders import SPLITS
from plumage.photos import read_photo
from trainer.data import PhotoFolder, PhotoSetError
from trainer.explain import faithfulness
from trainer.explain.measures import answer
from trainer.metrics import session_options
from trainer.recipe import CHECKPOINTS, Recipe
from trainer.run_folder import TrainingError
from trainer.studies.definitions import Study
from trainer.studies.runs import run_if_free
from trainer.studies.tables import finished
from trainer.utils.cli import RESUME_HINT, command_line
from trainer.utils.files import write_json
from trainer.utils.system import prepare
from trainer.verdicts.border import conclude

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
QUESTION = "What do black corners on the photos of some species do to a network?"
TRAINED = ("clean", "bordered")
# Whole photos need not be kept larger than the network sees them.
BUDGET = replace(Recipe(), image_size=64, epochs=6, photos_per_species=500)
WAYS: tuple[dict[str, Any], ...] = (
    {"augmentation": "none", "stored_size": BUDGET.image_size},
    {"augmentation": "crops"},
)
BLACK, MIRRORED = cv2.BORDER_CONSTANT, cv2.BORDER_REFLECT_101

Photos = NDArray[np.uint8]
Row = dict[str, Any]


@dataclass(frozen=True)
class Command:
    """Train on photos with borders and without, and ask both networks about clean photos."""

    data: str = Recipe.data
    """Folder with train/, val/ and test/ inside, each with one folder of photos a species."""
    output: str = Recipe.output
    """Folder in which the bordered copy and the runs are kept."""
    checkpoints: Path = CHECKPOINTS
    """Folder that gets border.json."""
    species: tuple[str, ...] = SPECIES
    """Species that get a border."""


def shortcut(command: Command) -> None:
    """Make the bordered copy and the runs that are missing, and measure each finished pair.

    Raises:
        PhotoSetError: the photos cannot be read, or there are none of a species asked for.
        TrainingError: --output holds runs or a copy of other photos, species or recipes.
        TrainingError, ExportError: as `train_run` and `write_checkpoint` do.
    """
    prepare()
    source, home = PhotoFolder(Path(command.data)), Path(command.output) / "shortcut"
    source.check()
    if unknown := sorted(set(command.species) - set(source.species)):
        raise PhotoSetError(
            f"{source.root} holds no photos of {', '.join(unknown)}: name others with --species."
        )
    copy = PhotoFolder(home / "photos")
    write_bordered(source, command.species, copy.root)
    study = Study(QUESTION, replace(BUDGET, output=command.output), (), checkpoints=True)
    for way, trained in product(WAYS, TRAINED):
        photos = copy if trained == "bordered" else source
        recipe = replace(study.base, **way, data=str(photos.root))
        run_if_free(study, home / f"{recipe.augmentation}-{trained}", recipe, photos)
    versions = Versions(source, copy, command)
    rows: dict[str, list[Row]] = {"rows": [], "changes": [], "heatmaps": []}
    for way in WAYS:
        augmentation = way["augmentation"]
        folders = [home / f"{augmentation}-{trained}" for trained in TRAINED]
        if all(map(finished, folders)):
            for table, found in compare(versions, *folders).items():
                rows[table] += [{"augmentation": augmentation, **row} for row in found]
    result = {
        "recipe": study.base.as_dict(),
        "species": list(command.species),
        "shares": SHARES,
        "degrees": DEGREES,
        "corner_share": float(versions.corners[versions.bordered].mean()),
        **rows,
    }
    if rows["rows"]:
        path = command.checkpoints / "results" / "border.json"
        write_json(path, conclude(result), indent=None)


class Versions:
    """The test photos as they are and turned, as both networks of a pair see them.

    Attributes:
        photos: (N, S, S, 3) uint8 each: clean; published, as the bordered copy has them; black,
            every photo turned with black corners; mirrored, turned likewise with filled corners.
        labels: (N,) int64.
        bordered: (N,) bool, whether a photo is of a species that has a border in training.
        marked: indices of those species.
        corners: (N, h, w), how much of each cell of a heatmap the turned photo leaves black.
    """

    def __init__(self, source: PhotoFolder, copy: PhotoFolder, command: Command) -> None:
        cache, side = Path(command.output) / "cache", BUDGET.image_size
        test = source.load("test", side, cache)
        self.labels = test.labels
        self.marked = [test.species.index(name) for name in command.species]
        self.bordered = np.isin(self.labels, self.marked)
        stored = source.load("test", BUDGET.stored_size, cache).pixels
        degrees = np.random.default_rng(1).uniform(-DEGREES, DEGREES, len(stored))

        def each(border: int) -> Photos:
            squeezed = [
                Image.fromarray(turned(photo, angle, border)).resize(
                    (side, side), Image.Resampling.BICUBIC
                )
                for photo, angle in zip(stored, degrees, strict=True)
            ]
            return np.stack([np.asarray(photo) for photo in squeezed])

        self.photos = {
            "clean": test.pixels,
            "published": copy.load("test", side, cache).pixels,
            "black": each(BLACK),
            "mirrored": each(MIRRORED),
        }
        whole = np.ones(stored.shape[1:3], np.float32)
        cells = (side // 4, side // 4)  # of a heatmap at the last stage
        kept = [
            cv2.resize(turned(whole, angle, BLACK), cells, interpolation=cv2.INTER_AREA)
            for angle in degrees
        ]
        self.corners = 1 - np.stack(kept)


def compare(versions: Versions, clean: Path, bordered: Path) -> dict[str, list[Row]]:
    """Both networks of a pair on every version of the test photos, and the differences.

    Returns:
        rows: one a network (`trained`), version (`asked`) and group of species: accuracy, low,
        high; taken, the share of answers that are one of the species with a border, taken_low,
        taken_high. changes: one a version and group: value, low, high of the accuracy trained with
        borders less that without. heatmaps: one a network and version: value, low, high of the
        share in the corners, and the mean map, in parts of an even one.
    """
    tables: dict[str, list[Row]] = {"rows": [], "changes": [], "heatmaps": []}
    right = {}
    for trained, folder in zip(TRAINED, (clean, bordered), strict=True):
        options = session_options(torch.get_num_threads())
        session = onnxruntime.InferenceSession(folder / MODEL, options)
        answers = {
            version: answer(session, photos, versions.labels, 1.0)
            for version, photos in versions.photos.items()
        }
        right[trained] = {v: (a.species == versions.labels) * 1.0 for v, a in answers.items()}
        drawn = {v: np.isin(a.species, versions.marked) * 1.0 for v, a in answers.items()}
        taken = {(row["asked"], row["group"]): row for row in each_group(versions, drawn)}
        for row in each_group(versions, right[trained]):
            share = taken[row["asked"], row["group"]]
            tables["rows"].append(
                {
                    "trained": trained,
                    "asked": row["asked"],
                    "group": row["group"],
                    "accuracy": row["value"],
                    "low": row["low"],
                    "high": row["high"],
                    "taken": share["value"],
                    "taken_low": share["low"],
                    "taken_high": share["high"],
                }
            )
        tables["heatmaps"] += [
            {"trained": trained, "asked": v, **in_corners(versions, answers[v].maps)}
            for v in ("clean", "black")
        ]
    lost = {v: right["bordered"][v] - right["clean"][v] for v in versions.photos}
    return tables | {"changes": each_group(versions, lost)}


def each_group(versions: Versions, values: dict[str, faithfulness.Values]) -> list[Row]:
    """A row a version and group, all species, those with a border and the others: its mean."""
    groups = {
        "all": np.ones_like(versions.bordered),
        "bordered": versions.bordered,
        "others": ~versions.bordered,
    }
    return [
        {"asked": version, "group": group, **faithfulness.mean(of_it[members])}
        for version, of_it in values.items()
        for group, members in groups.items()
    ]


def in_corners(versions: Versions, maps: NDArray[np.float32]) -> Row:
    """The mean heatmap of the species with a border, and its share where corners are or would be.

    The mean map is in parts of an even one.
    """
    own, corners = maps[versions.bordered], versions.corners[versions.bordered]
    whole = own.sum((1, 2), keepdims=True)
    parts = np.divide(own, whole, out=np.full_like(own, 1 / own[0].size), where=whole > 0)
    return {
        **faithfulness.mean((parts * corners).sum((1, 2))),
        "map": np.round(parts.mean(0) * own[0].size, 3).tolist(),
    }


def turns(source: PhotoFolder, species: tuple[str, ...]) -> dict[Path, float]:
    """By how many degrees each photo that gets a border is turned; the same each time."""
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
            kept = json.loads(provenance.read_text()) if provenance.exists() else list(SPECIES)
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


main = command_line(Command, shortcut, "trainer.studies.border", RESUME_HINT)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
