"""Rows and pictures of the experiment on black corners."""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from plumage.contract import display_name
from trainer.report.scores import Rows
from trainer.utils.files import replacing
from trainer.verdicts.border import TRAINING
from trainer.verdicts.wording import percent_interval

TRAINED = {"clean": "clean photos", "bordered": "photos with corners"}
CELL = 12  # pixels of a picture for each cell of a heatmap


def species_sentence(found: dict[str, Any]) -> str:
    """Numbers of species with corners in the training photos, and shares of their photos."""
    low, high = (f"{100 * share:.0f}" for share in found["shares"])
    first, *others = map(display_name, found["species"])
    if not others:
        return f"{first} has corners on {low}% of its training photos."
    return (
        f"{1 + len(others)} species have corners, from {first} on {low}% of its training photos to "
        f"{others[-1]} on {high}%."
    )


def _score(row: dict[str, Any], prefix: str = "") -> str:
    value, low, high = (
        prefix or "accuracy",
        f"{prefix}_low".lstrip("_"),
        f"{prefix}_high".lstrip("_"),
    )
    return percent_interval({"value": row[value], "low": row[low], "high": row[high]})


def accuracies(found: dict[str, Any]) -> Rows:
    """Accuracy of each network on photos of the species with corners and of the others."""
    count = len(found["species"])
    columns = {
        ("published", "all"): "as published, all",
        ("black", "bordered"): f"the {count}, corners",
        ("mirrored", "bordered"): "turned, filled",
        ("clean", "bordered"): "clean",
        ("clean", "others"): "the others, clean",
        ("black", "others"): "with corners",
    }
    return _by_network(found, columns, "")


def taken(found: dict[str, Any]) -> Rows:
    """The share of other photos taken for a species with corners; the heat in the corners."""
    count = len(found["species"])
    columns = {
        ("clean", "others"): f"the others taken for the {count}: clean",
        ("black", "others"): "with corners",
    }
    rows = _by_network(found, columns, "taken")
    heat = {"clean": "heatmap in the corners: clean", "black": "with corners "}
    for row, (way, trained) in zip(rows, networks(found), strict=True):
        row |= {
            heat[heatmap["asked"]]: percent_interval(heatmap)
            for heatmap in found["heatmaps"]
            if (heatmap["augmentation"], heatmap["trained"]) == (way, trained)
        }
    return rows


def networks(found: dict[str, Any]) -> list[tuple[str, str]]:
    """Augmentation and training photos of each network."""
    return list(dict.fromkeys((row["augmentation"], row["trained"]) for row in found["rows"]))


def _by_network(found: dict[str, Any], columns: dict[tuple[str, str], str], prefix: str) -> Rows:
    rows = []
    for way, trained in networks(found):
        own = {
            (row["asked"], row["group"]): row
            for row in found["rows"]
            if (row["augmentation"], row["trained"]) == (way, trained)
        }
        named = {words: _score(own[key], prefix) for key, words in columns.items()}
        rows.append({"trained on": f"{TRAINING[way]}, {TRAINED[trained]}", **named})
    return rows


def pictures(found: dict[str, Any]) -> Rows:
    """The mean heatmaps as a table of pictures, which stand beside the document."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for heatmap in found["heatmaps"]:
        way, asked = heatmap["augmentation"], heatmap["asked"]
        words = {"clean": "clean photos", "black": "photos with corners"}[asked]
        row = rows.setdefault((way, asked), {"trained on": f"{TRAINING[way]}; heatmaps of {words}"})
        row[TRAINED[heatmap["trained"]]] = f"![Mean heatmap]({picture_name(heatmap)})"
    return list(rows.values())


def picture_name(heatmap: dict[str, Any]) -> str:
    """The file of a mean heatmap in docs/results/."""
    return "border/{augmentation}-{trained}-{asked}.png".format(**heatmap)


def draw(found: dict[str, Any], folder: Path) -> None:
    """Write the pictures of the mean heatmaps; those in a row of the table share their scale."""
    (folder / "border").mkdir(parents=True, exist_ok=True)
    for heatmap in found["heatmaps"]:
        top = max(
            np.max(other["map"])
            for other in found["heatmaps"]
            if all(other[key] == heatmap[key] for key in ("augmentation", "asked"))
        )
        grey = np.rint(np.array(heatmap["map"]) / top * 255).astype(np.uint8)
        large = cv2.resize(grey, None, fx=CELL, fy=CELL, interpolation=cv2.INTER_NEAREST)
        with replacing(folder / picture_name(heatmap)) as temporary:
            png = cv2.imencode(".png", cv2.applyColorMap(large, cv2.COLORMAP_INFERNO))[1]
            temporary.write_bytes(png.tobytes())
