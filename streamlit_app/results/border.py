"""What black corners on training photos did to a network, from results/border.json to tables.

Two networks are asked, one trained on clean photos and one on photos of which some species have
corners, in two ways of training. Shares are in [0, 1].
"""

from pathlib import Path
from typing import Any

import pandas as pd

from streamlit_app.results.scores import read_measured

COMMAND = "`python -m trainer.studies.border --data PHOTOS`"
WAYS = {"none": "whole photos", "crops": "random crops"}
TRAINED = {"clean": "clean photos", "bordered": "photos with corners"}
ASKED = {"clean": "clean", "black": "with corners", "mirrored": "turned, corners filled"}
Shortcut = dict[str, Any]


def read_shortcut(folder: Path) -> Shortcut | None:
    """What was measured; None where nothing was; raises ResultsError."""

    def look_through(found: Shortcut) -> None:
        len(found["bordered"])
        for way in found["pairs"]:
            accuracies(found, way)
            mean_heatmaps(found, way)
            verdict(found, way)

    return read_measured(folder, "border.json", COMMAND, look_through)


def accuracies(found: Shortcut, way: str) -> pd.DataFrame:
    """One row a network, kind of test photos and group of species: accuracy, low, high, taken.

    low, high: its 95% interval. taken: the share of answers that are one of the species that had
    corners in training.
    """
    groups = {"bordered": f"the {len(found['bordered'])}", "others": "the others"}
    return pd.DataFrame(
        [
            {
                "trained": f"trained on {TRAINED[trained]}",
                "asked": f"{words}, {ASKED[asked]}",
                "accuracy": scores["accuracy"][asked][group]["value"],
                "low": scores["accuracy"][asked][group]["low"],
                "high": scores["accuracy"][asked][group]["high"],
                "taken": scores["answered_bordered"][asked][group]["value"],
            }
            for group, words in groups.items()
            for asked in ASKED
            for trained, scores in found["pairs"][way]["trained"].items()
        ]
    )


def mean_heatmaps(found: Shortcut, way: str) -> pd.DataFrame:
    """One row a cell of each mean heatmap: trained, asked, row, column (0 to 15) and heat.

    heat: in parts of what an even map has.
    """
    return pd.DataFrame(
        [
            {
                "trained": f"trained on {TRAINED[trained]}",
                "asked": f"asked: {ASKED[asked]}",
                "row": row,
                "column": column,
                "heat": float(heat),
            }
            for trained, scores in found["pairs"][way]["trained"].items()
            for asked, heatmap in scores["heatmaps"].items()
            for row, cells in enumerate(heatmap["map"])
            for column, heat in enumerate(cells)
        ]
    )


def hottest(found: Shortcut) -> float:
    """The largest heat of all mean heatmaps, so that all have one scale of colours."""
    return max(mean_heatmaps(found, way).heat.max() for way in found["pairs"])


def verdict(found: Shortcut, way: str) -> str:
    """What the corners did, in Markdown."""
    pair, count = found["pairs"][way], len(found["bordered"])
    lost = pair["bordered_less_clean"]["clean"]
    network = pair["trained"]["bordered"]
    taken = network["answered_bordered"]
    shares = [pair["trained"][key]["heatmaps"]["black"]["share"] for key in ("bordered", "clean")]
    became = (
        "became a shortcut" if lost["bordered"]["high"] < 0 else "became no shortcut that shows"
    )
    return (
        f"**Trained on {WAYS[way]}, the corners {became}.** They change the accuracy on clean "
        f"photos of the {count} species by {_points(lost['bordered'])} points, on the others by "
        f"{_points(lost['others'])}. Corners on photos of the others make the network answer one "
        f"of the {count} in {taken['black']['others']['value']:.0%} of cases "
        f"({taken['clean']['others']['value']:.0%} without), and {shares[0]['value']:.0%} of its "
        f"heatmap lies in the corners, against {shares[1]['value']:.0%} in the network trained on "
        "clean photos."
    )


def _points(score: dict[str, float]) -> str:
    value, low, high = (100 * score[key] for key in ("value", "low", "high"))
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
