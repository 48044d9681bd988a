"""Altair charts of the studies' tables."""

import altair as alt
import pandas as pd

from streamlit_app.results.charts import (
    GREY,
    SHAPES,
    name_colours,
    percent_axis,
    share_tooltips,
    styled,
)

ALL_NORMS = alt.ExprRef("containerSize()[0] < 500 ? 4 : 7")  # columns of a legend of seven


def rate_axis(cells: pd.DataFrame) -> alt.X:
    """The axis of learning rates, with a tick at each that was tried."""
    return alt.X(
        "rate:Q",
        title="highest learning rate",
        scale=alt.Scale(type="log", nice=False, padding=15),
        axis=alt.Axis(values=sorted(cells["rate"].unique()), format="~g", grid=False),
    )


def learning_rates(cells: pd.DataFrame) -> alt.LayerChart:
    """Accuracy of each optimizer over learning rates, and under schedules at its best one.

    cells: as streamlit_app.results.studies.by_learning_rate makes them.
    """
    shapes = {
        "triangular": "circle",
        "step": "square",
        "cosine": "triangle-up",
        "constant": "diamond",
        "diverged": "cross",
    }
    kinds = [kind for kind in shapes if (cells["schedule"] == kind).any()]
    points = alt.Chart(cells).encode(
        x=rate_axis(cells),
        y=alt.Y("accuracy:Q", title="accuracy on val photos", axis=percent_axis()),
        color=name_colours("optimizer", cells["optimizer"], columns=2),
        tooltip=["optimizer:N", "rate:Q", "schedule:N", "runs:Q", *share_tooltips("accuracy")],
    )
    marks = points.mark_point(filled=True, size=80, opacity=1).encode(
        shape=alt.Shape(
            "schedule:N",
            scale=alt.Scale(domain=kinds, range=[shapes[kind] for kind in kinds]),
            legend=alt.Legend(
                title=None, orient="top", columns=3, symbolFillColor=GREY, symbolStrokeWidth=0
            ),
        )
    )
    lines = points.mark_line().transform_filter("datum.schedule == 'triangular'")
    return styled(alt.layer(lines, marks), "Accuracy over learning rates", 360)


def norm_rates(cells: pd.DataFrame) -> alt.LayerChart:
    """Accuracy of each norm over learning rates.

    cells: as streamlit_app.results.studies.by_norm_and_rate makes them.
    """
    points = alt.Chart(cells).encode(
        x=rate_axis(cells),
        y=alt.Y("accuracy:Q", title="accuracy on val photos", axis=percent_axis()),
        color=name_colours("norm", cells["norm"], columns=ALL_NORMS),
        tooltip=["norm:N", "rate:Q", *share_tooltips("accuracy")],
    )
    marks = alt.layer(points.mark_line(), points.mark_point(filled=True, size=80, opacity=1))
    return styled(marks, "Accuracy over learning rates", 360)


def batch_curves(cells: pd.DataFrame) -> alt.LayerChart:
    """Accuracy of each norm over batch sizes, from its worst seed to its best.

    cells: as streamlit_app.results.studies.by_batch_size makes them.
    """
    title, kinds = "accuracy on val photos", list(dict.fromkeys(cells["as_at_32"]))
    marks = alt.Chart(cells).encode(
        x=alt.X(
            "batch_size:Q",
            title="photos in a batch",
            scale=alt.Scale(type="log", base=2, nice=False, padding=15),
            axis=alt.Axis(values=sorted(cells["batch_size"].unique()), format="d", grid=False),
        ),
        y=alt.Y("accuracy:Q", title=title, scale=alt.Scale(zero=False), axis=percent_axis()),
        color=name_colours("norm", cells["norm"], columns=4),
        tooltip=[
            "norm:N",
            "batch_size:Q",
            "as_at_32:N",
            "rate:Q",
            "runs:Q",
            *share_tooltips("accuracy", "low", "high"),
        ],
    )
    lines = marks.mark_line().encode(
        strokeDash=alt.StrokeDash(
            "as_at_32:N",
            scale=alt.Scale(domain=kinds, range=[[1, 0], [6, 3]][: len(kinds)]),
            legend=alt.Legend(title=None, orient="top", symbolStrokeColor=GREY, symbolSize=300),
        )
    )
    ranges = marks.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    points = marks.mark_point(filled=True, size=80, opacity=1)
    return styled(alt.layer(lines, ranges, points), "Accuracy over batch sizes", 360)


def feature_curves(features: pd.DataFrame) -> alt.LayerChart:
    """Percentiles of each norm's last features over the epochs; a name clicked stands out.

    features: as streamlit_app.results.studies.features_over_epochs makes them.
    """
    shown = ["99%", "80%", "20%", "1%"]
    alone = alt.selection_point(fields=["norm"], bind="legend")
    lines = (
        alt.Chart(features)
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X(
                "epoch:Q",
                title="epoch",
                scale=alt.Scale(zero=False, nice=False),
                axis=alt.Axis(format="d", tickMinStep=1, grid=False),
            ),
            y=alt.Y("value:Q", title="value of the features"),
            color=name_colours("norm", features["norm"], columns=ALL_NORMS),
            strokeDash=alt.StrokeDash(
                "percentile:N",
                scale=alt.Scale(domain=shown, range=[[1, 0], [6, 3], [3, 3], [1, 3]]),
                # Two legends below would stand side by side: a phone is too narrow for that.
                legend=alt.Legend(
                    title="percentile",
                    orient="top",
                    titleOrient="left",
                    symbolStrokeColor=GREY,
                    symbolSize=300,
                ),
            ),
            opacity=alt.when(alone).then(alt.value(1)).otherwise(alt.value(0.1)),
            tooltip=["norm:N", "percentile:N", "epoch:Q", alt.Tooltip("value:Q", format=".2f")],
        )
    )
    return styled(alt.layer(lines.add_params(alone)), "Features before the last pooling", 360)


def depth_curves(cells: pd.DataFrame) -> alt.LayerChart:
    """Accuracy of each norm over the layers of the network, from its worst seed to its best.

    cells: as streamlit_app.results.studies.by_depth makes them.
    """
    norms = list(dict.fromkeys(cells["norm"]))
    title = "accuracy on val photos"
    marks = alt.Chart(cells).encode(
        x=alt.X(
            "layers:Q",
            title="layers",
            scale=alt.Scale(zero=False, padding=15),
            axis=alt.Axis(values=sorted(cells["layers"].unique()), format="d", grid=False),
        ),
        y=alt.Y("accuracy:Q", title=title, scale=alt.Scale(domainMin=0), axis=percent_axis()),
        color=name_colours("norm", cells["norm"], columns=3),
        tooltip=[
            "norm:N",
            "layers:Q",
            "rate:Q",
            "runs:Q",
            *share_tooltips("accuracy", "low", "high"),
        ],
    )
    points = marks.mark_point(filled=True, size=80, opacity=1).encode(
        shape=alt.Shape(
            "norm:N", scale=alt.Scale(domain=norms, range=SHAPES[: len(norms)]), legend=None
        )
    )
    ranges = marks.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    return styled(alt.layer(marks.mark_line(), ranges, points), "Accuracy over depth", 360)
