"""How far the heatmaps can be believed, from results/explain.json to words and a chart."""

from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from streamlit_app.results.charts import BAR, GREY, OTHER, finished, two_dots
from streamlit_app.results.scores import read_measured

COMMAND = "`python -m trainer.explain --data PHOTOS`"
RIGHT, WRONG = "right answers", "wrong answers"
Measured = dict[str, Any]


def read_trust(folder: Path) -> Measured | None:
    """What was measured of the variants' maps; None where nothing was; raises ResultsError."""

    def look_through(found: Measured) -> None:
        float(found["even_outer_share"])
        outer_shares(found)
        for name in found["variants"]:
            best_method(found, name)

    return read_measured(folder, "explain.json", COMMAND, look_through)


def outer_shares(found: Measured) -> pd.DataFrame:
    """One row a variant: which share of its maps, 0 to 1, lies in the photo's outer tenth.

    A variant that answers everything rightly or wrongly is left out.
    """
    rows = [
        {
            "variant": name,
            RIGHT: float(measured["outer"]["right"]["value"]),
            WRONG: float(measured["outer"]["wrong"]["value"]),
        }
        for name, measured in found["variants"].items()
        if {"right", "wrong"} <= measured["outer"].keys()
    ]
    return pd.DataFrame(rows, columns=["variant", RIGHT, WRONG])


def best_method(found: Measured, variant: str) -> str:
    """Which method finds what matters to a variant, in Markdown; empty where nothing is known.

    By the gain over a random map: the area between the insertion and the deletion curve, less that
    of a random map.
    """
    rows = found["variants"].get(variant, {"methods": []})["methods"]
    gains = {
        f"{row['method']} at stage {row['stage']}": row["advantage"]
        for row in rows
        if "advantage" in row  # the random map has none over itself
    }
    if not gains:
        return ""
    order = sorted(gains, key=lambda name: float(gains[name]["value"]))
    worst, best = order[0], order[-1]
    return (
        f"Of {len(gains)} ways to draw a map of `{variant}`, **{best}** finds most of what matters "
        f"to the answer and {worst} least. Shown only what is hottest, the network is surer than "
        f"with only that erased: by {_gain(gains[best])} and {_gain(gains[worst])} more than with "
        "a random map (mean over shares, 95% interval)."
    )


def outer_chart(table: pd.DataFrame, even: float) -> alt.LayerChart:
    """Each variant's share of heat in the outer tenth, beside that of an even map.

    table: as `outer_shares` makes it.
    """
    title = "share of the map in the photo's outer tenth"
    colours = {RIGHT: BAR, WRONG: OTHER}
    dots = two_dots(table, "variant", "answers", "share", title, colours, zero=True)
    line = alt.Chart(pd.DataFrame({"even": [even]})).mark_rule(strokeDash=[5, 5], color=GREY)
    chart = alt.layer(line.encode(x="even:Q"), *dots.layer)
    return finished(chart, "Does a wrong answer look at the background?", alt.Step(32))


def _gain(score: dict[str, float]) -> str:
    return f"{score['value']:.2f} ({score['low']:.2f} to {score['high']:.2f})"
