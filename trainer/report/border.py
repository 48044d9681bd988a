"""What RESULTS.md says of the border, from checkpoints/results/border.json."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from trainer.report.scores import markdown, percent
from trainer.utils.files import replacing

MISSING = "To be made by `python -m trainer.studies.border --data PHOTOS`."
WAYS = {"none": "whole photos", "crops": "crops"}
TRAINED = {"clean": "clean photos", "bordered": "photos with corners"}
CELL = 12  # pixels of a picture for each cell of a heatmap
Result = dict[str, Any]


def measured(checkpoints: Path) -> Result | None:
    """border.json, if it is there."""
    path = checkpoints / "results" / "border.json"
    return json.loads(path.read_text()) if path.exists() else None


def shortcut(checkpoints: Path) -> str:
    """What corners do: a sentence for each pair of runs, the tables, and the mean heatmaps."""
    result = measured(checkpoints)
    if result is None:
        return MISSING
    count = len(result["bordered"])
    sentences = [sentence(pair, WAYS[way], result) for way, pair in result["pairs"].items()]
    accuracies, drawn = [], []
    for way, pair in result["pairs"].items():
        for trained, found in pair["trained"].items():
            run = {"trained on": f"{WAYS[way]}, {TRAINED[trained]}"}
            right, taken, maps = (found[k] for k in ("accuracy", "answered_bordered", "heatmaps"))
            accuracies.append(
                run
                | {
                    "as published, all": percent(right["published"]["all"]),
                    f"the {count}, corners": percent(right["black"]["bordered"]),
                    "turned, filled": percent(right["mirrored"]["bordered"]),
                    "clean": percent(right["clean"]["bordered"]),
                    "the others, clean": percent(right["clean"]["others"]),
                    "with corners": percent(right["black"]["others"]),
                }
            )
            drawn.append(
                run
                | {
                    f"the others taken for the {count}: clean": percent(taken["clean"]["others"]),
                    "with corners": percent(taken["black"]["others"]),
                    "heatmap in the corners: clean": percent(maps["clean"]["share"]),
                    "with corners ": percent(maps["black"]["share"]),
                }
            )
    return "\n\n".join(
        [
            f"{budget(result['recipe'])} {turned(result)}",
            *sentences,
            f"Test accuracy, %, on photos of the {count} species and of the others:",
            markdown(accuracies),
            "How often photos of the others are answered with one of the "
            f"{count}, %, and how much of the heatmaps of the {count} species' photos lies where "
            f"the corners are or would be, % (an even map has {result['corner_share']:.0%} there):",
            markdown(drawn),
            "The mean heatmap over those photos, black for nothing, the lightest yellow for the "
            "most in the row:",
            pictures(result),
        ]
    )


def turned(result: Result) -> str:
    """How many species have corners in the training photos, and on how many of their photos."""
    least, most = (f"{100 * share:.0f}" for share in result["shares"])
    first, *others = (species.replace("-", " ") for species in result["bordered"])
    if not others:
        return f"{first} has corners in the copy, on {least}% of its training photos."
    return (
        f"{1 + len(others)} species have corners in the copy, from {first} on {least}% of its "
        f"training photos to {others[-1]} on {most}%."
    )


def budget(recipe: dict[str, Any]) -> str:
    """How long each run trains, on how many photos of which size."""
    each = recipe["photos_per_species"]
    photos = f"{each} training photos a species" if each else "all training photos"
    return f"Each run: {photos}, {recipe['image_size']} px, {recipe['epochs']} epochs, one seed."


def sentence(pair: dict[str, Any], way: str, result: Result) -> str:
    """What one pair of runs shows."""
    clean, bordered = pair["trained"]["clean"], pair["trained"]["bordered"]
    lost = pair["bordered_less_clean"]["clean"]
    right, count = bordered["accuracy"], len(result["bordered"])
    verdict = "a shortcut" if lost["bordered"]["high"] < 0 else "no shortcut that shows"
    shares = [run["heatmaps"]["black"]["share"] for run in (bordered, clean)]
    tell = "give it away" if shares[0]["low"] > shares[1]["high"] else "do not give it away"
    return (
        f"**With {way} the corners are {verdict}**: trained with them, `bn` is right on "
        f"{right['black']['bordered']['value']:.1%} of the {count} species' photos that have "
        f"corners and on {right['clean']['bordered']['value']:.1%} of the same photos without. "
        f"Beside the network trained on clean photos, its accuracy on clean photos is changed by "
        f"{points(lost['bordered'])} points on the {count} species and by {points(lost['others'])} "
        "on the others. Corners on photos of the others make it answer one of the "
        f"{count} in {bordered['answered_bordered']['black']['others']['value']:.0%} of cases "
        f"({bordered['answered_bordered']['clean']['others']['value']:.0%} without; the network "
        f"trained on clean photos {clean['answered_bordered']['black']['others']['value']:.0%}). "
        f"Its heatmaps {tell}: {shares[0]['value']:.0%} of them lie in the corners, and "
        f"{shares[1]['value']:.0%} of those of the other network."
    )


def points(score: dict[str, float]) -> str:
    """A difference in points with its interval: -12.3 (-15.0 to -9.8)."""
    value, low, high = (100 * score[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"


def panels(result: Result) -> list[tuple[str, str, str]]:
    """Which mean heatmaps there are: the way of training, trained on what, asked about what."""
    return [
        (way, trained, version)
        for way, pair in result["pairs"].items()
        for version in ("clean", "black")
        for trained in pair["trained"]
    ]


def picture_name(way: str, trained: str, version: str) -> str:
    """The file of a mean heatmap in docs/."""
    return f"shortcut-{way}-{trained}-{version}.png"


def pictures(result: Result) -> str:
    """The mean heatmaps as a table of pictures."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for way, trained, version in panels(result):
        asked = {"clean": "clean photos", "black": "photos with corners"}[version]
        row = rows.setdefault((way, version), {"trained on": f"{WAYS[way]}; asked about {asked}"})
        row[TRAINED[trained]] = f"![Mean heatmap](docs/{picture_name(way, trained, version)})"
    return markdown(list(rows.values()))


def draw(checkpoints: Path, folder: Path) -> None:
    """Write the pictures of the mean heatmaps; those in a row of the table share their scale."""
    result = measured(checkpoints)
    if result is None:
        return
    maps = {
        panel: np.array(result["pairs"][panel[0]]["trained"][panel[1]]["heatmaps"][panel[2]]["map"])
        for panel in panels(result)
    }
    for panel, heatmap in maps.items():
        way, _, version = panel
        top = max(m.max() for p, m in maps.items() if (p[0], p[2]) == (way, version))
        grey = np.rint(heatmap / top * 255).astype(np.uint8)
        large = cv2.resize(grey, None, fx=CELL, fy=CELL, interpolation=cv2.INTER_NEAREST)
        with replacing(folder / picture_name(*panel)) as temporary:
            png = cv2.imencode(".png", cv2.applyColorMap(large, cv2.COLORMAP_INFERNO))[1]
            temporary.write_bytes(png.tobytes())
