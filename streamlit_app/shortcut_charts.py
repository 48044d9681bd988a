"""What black corners on training photos did, from tables to Altair charts."""

import altair as alt
import pandas as pd

from streamlit_app.charts import (
    BAR,
    OTHER,
    finished,
    kind_colours,
    legend_below,
    name_axis,
    percent_axis,
    share_tooltips,
)


def accuracy_by_photos(table: pd.DataFrame, way: str) -> alt.LayerChart:
    """How often both networks are right on each kind of photos, with 95% intervals.

    table: as streamlit_app.shortcut.accuracies makes it. way: of training, in words.
    """
    trained = list(dict.fromkeys(table.trained))
    rows = alt.Chart(table).encode(
        y=alt.Y("asked:N", sort=list(dict.fromkeys(table.asked)), title=None, axis=name_axis()),
        yOffset=alt.YOffset("trained:N", sort=trained),
        color=kind_colours("trained", dict(zip(trained, (BAR, OTHER), strict=True)), columns=1),
        tooltip=["asked", "trained", *share_tooltips("accuracy", "low", "high", "taken")],
    )
    title = "accuracy on test photos"
    scale = alt.Scale(domain=[0, 1])
    ranges = rows.mark_rule(strokeWidth=3).encode(
        x=alt.X("low:Q", title=title, scale=scale, axis=percent_axis()), x2="high:Q"
    )
    points = rows.mark_point(filled=True, size=90, opacity=1).encode(
        x=alt.X("accuracy:Q", title=title, scale=scale, axis=percent_axis()),
        shape=alt.Shape(
            "trained:N", scale=alt.Scale(domain=trained), legend=legend_below(columns=1)
        ),
    )
    return finished(alt.layer(ranges, points), f"Right answers, {way}", alt.Step(18))


def heatmap_grid(table: pd.DataFrame, way: str, most: float) -> alt.Chart:
    """The mean heatmaps of both networks, side by side, asked about both kinds of photos.

    table: as streamlit_app.shortcut.mean_heatmaps makes it. way: of training, in words. most: the
    heat of the lightest colour.
    """
    # Inferno: told apart by colour-blind eyes, and each colour lighter than the one before.
    inferno = alt.Scale(scheme="inferno", domain=[0, most])
    colour = alt.Color(
        "heat:Q",
        scale=inferno,
        legend=alt.Legend(
            type="gradient",
            title="heat, times an even map's",
            orient="bottom",
            gradientLength=200,
            tickCount=4,
        ),
    )
    apart = alt.Scale(paddingInner=0.06, paddingOuter=0)
    rows = alt.Chart(table).encode(
        x=alt.X(
            "trained:N",
            sort=list(dict.fromkeys(table.trained)),
            title=None,
            scale=apart,
            axis=name_axis(labelAngle=0, orient="top"),
        ),
        xOffset=alt.XOffset("column:O"),
        y=alt.Y(
            "asked:N",
            sort=list(dict.fromkeys(table.asked)),
            title=None,
            scale=apart,
            axis=name_axis(labelAngle=-90, labelAlign="center"),
        ),
        yOffset=alt.YOffset("row:O"),
        color=colour,
        stroke=alt.Stroke("heat:Q", scale=inferno, legend=None),  # or the page shows through
        tooltip=["trained", "asked", "row", "column", alt.Tooltip("heat", format=".2f")],
    )
    return finished(rows.mark_rect(strokeWidth=1), f"Mean heatmaps, {way}", 500)
