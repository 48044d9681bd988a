"""What black corners on training photos did, from tables to Altair charts."""

import altair as alt
import pandas as pd

from streamlit_app.results.charts import (
    SMALL,
    finished,
    kind_rows,
    kind_shapes,
    marks_with_intervals,
    name_axis,
    percent_axis,
    share_tooltips,
)


def accuracy_by_photos(table: pd.DataFrame, way: str) -> alt.LayerChart:
    """How often both networks are right on each kind of photos, with 95% intervals.

    table: as streamlit_app.results.border.accuracies makes it. way: of training, in words.
    """
    rows = kind_rows(table, "asked", "trained").encode(
        tooltip=["asked", "trained", *share_tooltips("accuracy", "low", "high", "taken")]
    )
    title, scale = "accuracy on test photos", alt.Scale(domain=[0, 1])
    layers = marks_with_intervals(
        rows,
        "accuracy",
        "low",
        "high",
        lambda field: alt.X(f"{field}:Q", title=title, scale=scale, axis=percent_axis()),
        shape=kind_shapes("trained", table.trained),
    )
    return finished(alt.layer(*layers), f"Right answers, {way}", alt.Step(18))


def heatmap_grid(table: pd.DataFrame, way: str, most: float) -> alt.Chart:
    """The mean heatmaps of both networks, side by side, asked about both kinds of photos.

    table: as streamlit_app.results.border.mean_heatmaps makes it. way: of training, in words.
    most: the heat of the lightest colour.
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
            axis=name_axis(labelAngle=0, orient="top", labelFontSize=SMALL),
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
