"""How well the variants know what they do not know, from tables to Altair charts."""

import math

import altair as alt
import pandas as pd

from streamlit_app.results.charts import (
    GREY,
    finished,
    kind_rows,
    kind_shapes,
    marks_with_intervals,
    percent_axis,
    share_tooltips,
)

ALL, LEAST = "all species", "the species held least"


def stranger_areas(table: pd.DataFrame) -> alt.LayerChart:
    """Each variant's area under the ROC curve against each kind of strangers.

    table: as streamlit_app.results.ood.against_strangers makes it.
    """
    axis = alt.Axis(format=".2f", tickCount=6)
    rows = kind_rows(table, "variant", "kind").encode(
        tooltip=[
            "variant",
            "kind",
            *(alt.Tooltip(f, format=".3f") for f in ("auroc", "low", "high")),
        ]
    )
    title, scale = "how often a stranger looks stranger (AUROC)", _area_scale(table.low)
    layers = marks_with_intervals(
        rows,
        "auroc",
        "low",
        "high",
        lambda field: alt.X(f"{field}:Q", title=title, scale=scale, axis=axis),
        shape=kind_shapes("kind", table.kind),
    )
    return finished(alt.layer(*layers), "Strangers told apart from test photos", alt.Step(20))


def strangers_accepted(table: pd.DataFrame) -> alt.LayerChart:
    """Which share of each kind of strangers each variant takes for one of its species.

    table: as streamlit_app.results.ood.against_strangers makes it.
    """
    points = (
        kind_rows(table, "variant", "kind")
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            x=alt.X(
                "accepted:Q",
                title="strangers taken for a bird it knows",
                scale=alt.Scale(domain=[0, 1]),
                axis=percent_axis(),
            ),
            shape=kind_shapes("kind", table.kind),
            tooltip=["variant", "kind", *share_tooltips("accepted")],
        )
    )
    return finished(alt.layer(points), "Strangers accepted", alt.Step(20))


def score_areas(table: pd.DataFrame) -> alt.LayerChart:
    """The area under the ROC curve by each score of strangeness: a tick a variant, and their mean.

    table: as streamlit_app.results.ood.by_score makes it.
    """
    rows = kind_rows(table, "score", "kind")
    title = "how often a stranger looks stranger (AUROC)"
    scale = _area_scale(table.auroc)
    ticks = rows.mark_tick(thickness=2, height=10, opacity=1).encode(
        x=alt.X("auroc:Q", title=title, scale=scale, axis=alt.Axis(format=".2f", tickCount=6)),
        tooltip=["score", "variant", "kind", alt.Tooltip("auroc", format=".3f")],
    )
    means = rows.mark_point(filled=True, size=90, opacity=1).encode(
        x=alt.X("mean(auroc):Q", title=title, scale=scale),
        shape=kind_shapes("kind", table.kind),
        tooltip=["score", "kind", alt.Tooltip("mean(auroc)", format=".3f")],
    )
    return finished(
        alt.layer(ticks, means), "Scores of strangeness, against val photos", alt.Step(20)
    )


def sets_held(table: pd.DataFrame) -> alt.LayerChart:
    """How often each variant's sets hold the bird, beside what is promised.

    table: as streamlit_app.results.ood.prediction_sets makes it.
    """
    title = "test photos whose bird is in its set"
    promised = alt.Chart(table).mark_rule(strokeDash=[5, 5], color=GREY).encode(x="promise:Q")
    points = _sets(table, ["held", "least_held"]).encode(
        x=alt.X("value:Q", title=title, scale=alt.Scale(zero=False), axis=percent_axis()),
        tooltip=["variant", "promised", "of", "species", *share_tooltips("value")],
    )
    return finished(alt.layer(promised, points), "Sets that hold the bird", alt.Step(20))


def set_sizes(table: pd.DataFrame) -> alt.LayerChart:
    """How many species each variant's sets have, on average.

    table: as streamlit_app.results.ood.prediction_sets makes it.
    """
    points = _sets(table, ["size", "least_size"]).encode(
        x=alt.X("value:Q", title="species in a set, mean"),
        tooltip=["variant", "promised", "of", "species", alt.Tooltip("value", format=".2f")],
    )
    return finished(alt.layer(points), "How large the sets are", alt.Step(20))


def _sets(table: pd.DataFrame, values: list[str]) -> alt.Chart:
    """A mark a variant, promise, and one of two values: over all species, of the least held."""
    named = table.rename(columns=dict(zip(values, (ALL, LEAST), strict=True)))
    named["promised"] = named["promise"].map("{:.0%} promised".format)
    long = named.melt(["variant", "promised", "species"], [ALL, LEAST], "of", "value")
    marks = kind_rows(long, "variant", "promised").mark_point(filled=True, size=90, opacity=1)
    grey = {"symbolFillColor": GREY, "symbolStrokeWidth": 0}
    return marks.encode(shape=kind_shapes("of", [ALL, LEAST], **grey))


def _area_scale(areas: pd.Series) -> alt.Scale:
    """From the multiple of 0.05 below the smallest to 1."""
    return alt.Scale(domain=[math.floor(areas.min() * 20) / 20, 1])
