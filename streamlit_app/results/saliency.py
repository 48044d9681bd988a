"""Faithfulness of the heatmaps, from results/explain.json to sentences and a chart."""

from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from streamlit_app.results.charts import BAR, GREY, OTHER, dumbbell, styled
from streamlit_app.results.reading import Results, read_measured

MODULE = "trainer.explain"
RIGHT, WRONG = "correct predictions", "wrong predictions"


def read_explained(folder: Path) -> Results | None:
    """Measurements of the variants' heatmaps; None where there are none; raises ResultsError."""

    def validate(found: Any) -> None:
        float(found["even_outer_share"])
        str(found["outside"] + found["faithful"])
        outer_shares(found)
        for name in found["variants"]:
            str(found["variants"][name]["sentence"])

    return read_measured(folder, "explain.json", MODULE, validate)


def outer_shares(found: Results) -> pd.DataFrame:
    """One row a variant: which share of its maps, 0 to 1, lies in the photo's outer tenth.

    A variant whose predictions are all correct or all wrong is left out.
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


def methods_sentence(found: Results, variant: str) -> str:
    """The method that suits a variant best, in Markdown; empty where nothing was measured."""
    return found["variants"].get(variant, {}).get("sentence", "")


def outer_chart(table: pd.DataFrame, even: float) -> alt.LayerChart:
    """Each variant's share of heat in the outer tenth, beside that of a uniform map.

    table: as `outer_shares` makes it.
    """
    title = "share of the map in the photo's outer tenth"
    colours = {RIGHT: BAR, WRONG: OTHER}
    dots = dumbbell(table, "variant", "predictions", "share", title, colours, zero=True)
    line = alt.Chart(pd.DataFrame({"even": [even]})).mark_rule(strokeDash=[5, 5], color=GREY)
    chart = alt.layer(line.encode(x="even:Q"), *dots.layer)
    return styled(chart, "Maps at the photo's edges", alt.Step(32))
