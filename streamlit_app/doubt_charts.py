"""How well the variants know what they do not know, from tables to Altair charts."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import pandas as pd

from streamlit_app.charts import (
    BAR,
    GREY,
    OTHER,
    VARIANT_COLOURS,
    finished,
    kind_colours,
    legend_below,
    name_axis,
    percent_axis,
    share_tooltips,
)

ALL, LEAST = "all species", "the species held least"


def stranger_areas(table: pd.DataFrame) -> alt.LayerChart:
    """Each variant's area under the ROC curve against each kind of strangers.

    table: as streamlit_app.doubt.against_strangers makes it.
    """
    axis = alt.Axis(format=".2f", tickCount=6)
    rows = _rows(table, "variant", "kind").encode(
        tooltip=[
            "variant",
            "kind",
            *(alt.Tooltip(f, format=".3f") for f in ("auroc", "low", "high")),
        ]
    )
    title = "AUROC: a stranger looks stranger than a test photo"
    scale = _area_scale(table.low)
    ranges = rows.mark_rule(strokeWidth=3).encode(
        x=alt.X("low:Q", title=title, scale=scale, axis=axis), x2="high:Q"
    )
    points = rows.mark_point(filled=True, size=90, opacity=1).encode(
        x=alt.X("auroc:Q", title=title, scale=scale, axis=axis),
        shape=_shapes("kind", table.kind),
    )
    return finished(alt.layer(ranges, points), "Strangers told apart", alt.Step(20))


def strangers_accepted(table: pd.DataFrame) -> alt.LayerChart:
    """Which share of each kind of strangers each variant takes for one of its species.

    table: as streamlit_app.doubt.against_strangers makes it.
    """
    points = (
        _rows(table, "variant", "kind")
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            x=alt.X(
                "accepted:Q",
                title="strangers taken for a bird it knows",
                scale=alt.Scale(domain=[0, 1]),
                axis=percent_axis(),
            ),
            shape=_shapes("kind", table.kind),
            tooltip=["variant", "kind", *share_tooltips("accepted")],
        )
    )
    return finished(alt.layer(points), "Strangers accepted", alt.Step(20))


def score_areas(table: pd.DataFrame) -> alt.LayerChart:
    """The area under the ROC curve by each score of strangeness: a tick a variant, and their mean.

    table: as streamlit_app.doubt.by_score makes it.
    """
    rows = _rows(table, "score", "kind")
    title = "AUROC against val photos"
    scale = _area_scale(table.auroc)
    ticks = rows.mark_tick(thickness=2, height=10, opacity=1).encode(
        x=alt.X("auroc:Q", title=title, scale=scale, axis=alt.Axis(format=".2f", tickCount=6)),
        tooltip=["score", "variant", "kind", alt.Tooltip("auroc", format=".3f")],
    )
    means = rows.mark_point(filled=True, size=90, opacity=1).encode(
        x=alt.X("mean(auroc):Q", title=title, scale=scale),
        shape=_shapes("kind", table.kind),
        tooltip=["score", "kind", alt.Tooltip("mean(auroc)", format=".3f")],
    )
    return finished(alt.layer(ticks, means), "Scores of strangeness", alt.Step(20))


def sets_held(table: pd.DataFrame) -> alt.LayerChart:
    """How often each variant's sets hold the bird, beside what is promised.

    table: as streamlit_app.doubt.prediction_sets makes it.
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

    table: as streamlit_app.doubt.prediction_sets makes it.
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
    marks = _rows(long, "variant", "promised").mark_point(filled=True, size=90, opacity=1)
    grey = {"symbolFillColor": GREY, "symbolStrokeWidth": 0}
    return marks.encode(shape=_shapes("of", [ALL, LEAST], **grey))


def _area_scale(areas: pd.Series) -> alt.Scale:
    """From the multiple of 0.05 below the smallest to 1."""
    return alt.Scale(domain=[math.floor(areas.min() * 20) / 20, 1])


def _rows(table: pd.DataFrame, name: str, kind: str) -> alt.Chart:
    """A row a name, in the table's order, and in it one below the other the kinds, in colour."""
    kinds = list(dict.fromkeys(table[kind]))
    colours = dict(zip(kinds, [BAR, OTHER, *VARIANT_COLOURS.values()], strict=False))
    order = list(dict.fromkeys(table[name]))
    return alt.Chart(table).encode(
        y=alt.Y(f"{name}:N", sort=order, title=None, axis=name_axis()),
        yOffset=alt.YOffset(f"{kind}:N", sort=kinds),
        color=kind_colours(kind, colours, columns=1),
    )


def _shapes(field: str, values: Sequence[Any] | pd.Series, **legend: Any) -> alt.Shape:
    return alt.Shape(
        f"{field}:N",
        scale=alt.Scale(domain=list(dict.fromkeys(values))),
        legend=legend_below(1, **legend),
    )
