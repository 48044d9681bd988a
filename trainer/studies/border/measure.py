"""Both networks of a pair on every version of the test photos."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from PIL import Image

from plumage.contract import MODEL
from trainer.data.photo_folder import PhotoFolder
from trainer.explain import faithfulness
from trainer.explain.measures import answer
from trainer.metrics import session_options
from trainer.recipe import Recipe
from trainer.studies.border.photos import BLACK, DEGREES, MIRRORED, turned

TRAINED = ("clean", "bordered")
Photos = NDArray[np.uint8]
Row = dict[str, Any]


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

    def __init__(
        self, source: PhotoFolder, copy: PhotoFolder, species: tuple[str, ...], recipe: Recipe
    ) -> None:
        cache, side = Path(recipe.output) / "cache", recipe.image_size
        test = source.load("test", side, cache)
        self.labels = test.labels
        self.marked = [test.species.index(name) for name in species]
        self.bordered = np.isin(self.labels, self.marked)
        stored = source.load("test", recipe.stored_size, cache).pixels
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
