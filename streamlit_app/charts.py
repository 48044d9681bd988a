"""Tables to Altair charts."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

_BAR = "#1a8f7a"  # stands out from white and from black alike


def percent(probability: float) -> str:
    """A probability in whole percent, never rounded to certainty or impossibility."""
    if probability < 0.01:
        return "<1%"
    if probability > 0.99:
        return ">99%"
    return f"{probability:.0%}"


def probability_bars(ranking: Sequence[tuple[str, float]]) -> alt.Chart:
    """One bar a species in the order given, as long as its probability (0 to 1)."""
    table = pd.DataFrame(ranking, columns=["species", "probability"])
    # Numbers stand in the axis labels: the one kind of text that every theme keeps readable.
    table["label"] = table["species"] + "  " + table["probability"].map(percent)
    axis = alt.Axis(
        title=None,
        domain=False,
        ticks=False,
        labelFontSize=14,
        labelLimit=260,
        labelOverlap=False,
        labelPadding=10,
    )
    title = alt.Title("Most likely species", anchor="start", font="Source Sans", fontSize=14)
    return (
        alt.Chart(table, title=title)
        .mark_bar(color=_BAR, cornerRadius=3)
        .encode(
            y=alt.Y("label", sort=None, axis=axis, scale=alt.Scale(padding=0.3)),
            x=alt.X("probability", scale=alt.Scale(domain=[0, 1]), axis=None),
            tooltip=["species", alt.Tooltip("probability", format=".2%")],
        )
        .properties(height=32 * len(table))
        .configure_view(strokeWidth=0)
    )
