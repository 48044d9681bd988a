"""How far the heatmaps can be believed, from checkpoints/explain.json to tables and charts."""

import json
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from streamlit_app.charts import (
    BAR,
    GREY,
    OTHER,
    finished,
    legend_below,
    name_axis,
    name_colours,
    two_dots,
)
from streamlit_app.results import ResultsError

COMMAND = "`python -m trainer.explain --data PHOTOS`"
_GAIN = ("gain", "low", "high")
RIGHT, WRONG = "right answers", "wrong answers"
Measured = dict[str, Any]


def read_trust(folder: Path) -> Measured | None:
    """What was measured of the variants' maps; None where nothing was; raises ResultsError."""
    file = folder / "explain.json"
    if not file.is_file():
        return None
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        float(found["even_outer_share"])
        outer_shares(found)
        for name in found["variants"]:
            gains(found, name)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ResultsError(
            f"checkpoints/explain.json is damaged: make it anew with {COMMAND}."
        ) from error
    return found


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


def gains(found: Measured, variant: str) -> pd.DataFrame:
    """One row a method and stage: its gain over a random map with its 95% interval, best first.

    gain: the area between the insertion and the deletion curve, less that of a random map.
    """
    rows = [
        {
            "method": row["method"],
            "stage": f"stage {row['stage']}",
            "gain": float(row["advantage"]["value"]),
            "low": float(row["advantage"]["low"]),
            "high": float(row["advantage"]["high"]),
        }
        for row in found["variants"].get(variant, {"methods": []})["methods"]
        if "advantage" in row  # the random map has none over itself
    ]
    table = pd.DataFrame(rows, columns=["method", "stage", *_GAIN])
    order = table.groupby("method").gain.transform("max")
    return table.iloc[(-order).argsort(kind="stable")].reset_index(drop=True)


def outer_chart(table: pd.DataFrame, even: float) -> alt.LayerChart:
    """Each variant's share of heat in the outer tenth, beside that of an even map.

    table: as `outer_shares` makes it.
    """
    title = "share of the heatmap in the photo's outer tenth; dashed: an even map"
    colours = {RIGHT: BAR, WRONG: OTHER}
    dots = two_dots(table, "variant", "answers", "share", title, colours, zero=True)
    line = alt.Chart(pd.DataFrame({"even": [even]})).mark_rule(strokeDash=[5, 5], color=GREY)
    chart = alt.layer(line.encode(x="even:Q"), *dots.layer)
    return finished(chart, "Does a wrong answer look at the background?", alt.Step(32))


def gain_chart(table: pd.DataFrame, variant: str) -> alt.LayerChart:
    """How much more each method finds at each stage than a random map does.

    table: as `gains` makes it.
    """
    stages = sorted(set(table.stage))
    title = "gain over a random map: insertion less deletion, area"
    axis = alt.Axis(format=".1f", tickCount=6)
    rows = alt.Chart(table).encode(
        y=alt.Y("method:N", sort=list(dict.fromkeys(table.method)), title=None, axis=name_axis()),
        yOffset=alt.YOffset("stage:N", sort=stages),
        color=name_colours("stage", stages, columns=3),
        tooltip=[
            "method",
            "stage",
            *(alt.Tooltip(f, format=".2f") for f in ("gain", "low", "high")),
        ],
    )
    chart = alt.layer(
        rows.mark_rule(strokeWidth=3).encode(x=alt.X("low:Q", title=title, axis=axis), x2="high:Q"),
        rows.mark_point(filled=True, size=70, opacity=1).encode(
            x=alt.X("gain:Q", title=title, axis=axis),
            shape=alt.Shape("stage:N", scale=alt.Scale(domain=stages), legend=legend_below(3)),
        ),
    )
    return finished(chart, f"What finds what matters to {variant}", alt.Step(14))
