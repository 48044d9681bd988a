"""Shared parts of charts, and the chart of one prediction."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import altair as alt
import pandas as pd

# Marks stand out from a light and from a dark page, and who is blind to red or to green can tell
# the colours apart. Text has the page's own colour: Streamlit sees to titles, axes and legends.
FONT = "Source Sans"  # the page's
BAR = "#1a8f7a"
OTHER = "#d9662b"
GREY = "#777777"
VARIANT_COLOURS = {
    "bn": "#6d3dff",
    "in": "#44aa00",
    "bin": "#cc77aa",
    "ln": "#6b6b00",
    "gn": "#7788ff",
    "nn": "#994488",
    "torch-bn": "#339966",
}
SHAPES = ["circle", "square", "cross", "diamond", "triangle-up", "triangle-down"]
SHAPES += ["triangle-right", "triangle-left"]
SMALL = alt.ExprRef("containerSize()[0] < 500 ? 9 : 12")  # pixels, on a phone and elsewhere


def percent(probability: float) -> str:
    """A probability in whole percent, never rounded to certainty or impossibility."""
    if probability < 0.01:
        return "<1%"
    if probability > 0.99:
        return ">99%"
    return f"{probability:.0%}"


def titled(chart: Any, title: str) -> Any:
    """The chart with a title as every chart has it.

    It is typed Any since Altair's own types cannot tell a chart in layers from one in facets.
    """
    return chart.properties(
        title=alt.Title(title, anchor="start", font=FONT, fontSize=14),
        padding={"bottom": 4},  # where none is given, Streamlit leaves 20 pixels empty
    )


def probability_bars(ranking: Sequence[tuple[str, float]], kinds: str) -> alt.Chart:
    """One bar a class in the order given, as long as its probability (0 to 1).

    kinds: what the classes are called together, as species.
    """
    table = pd.DataFrame(ranking, columns=["species", "probability"])
    # Numbers stand in the axis labels: the one kind of text that every theme keeps readable.
    table["label"] = table["species"] + "  " + table["probability"].map(percent)
    axis = alt.Axis(
        title=None,
        domain=False,
        ticks=False,
        labelFontSize=14,
        labelLimit=260,
        labelExpr="truncate(datum.value, 34, 'center')",  # the number stands at the end
        labelOverlap=False,
        labelPadding=10,
    )
    chart = (
        alt.Chart(table)
        .mark_bar(color=BAR, cornerRadius=3)
        .encode(
            y=alt.Y("label", sort=None, axis=axis, scale=alt.Scale(padding=0.3)),
            x=alt.X("probability", scale=alt.Scale(domain=[0, 1]), axis=None),
            tooltip=["species", alt.Tooltip("probability", format=".2%")],
        )
        .properties(height=32 * len(table))
        .configure_view(strokeWidth=0)
    )
    return titled(chart, f"Most likely {kinds}")


def dumbbell(
    table: pd.DataFrame,
    name: str,
    kind: str,
    value: str,
    title: str,
    colours: dict[str, str],
    zero: bool = False,
) -> Any:
    """A row a name, in the table's order: a dot for each of two columns, a line between them.

    name: the column of names. kind, value: what the two columns are, and what is in them.
    colours: by column. zero: whether the axis starts at 0. Returns Any, see `titled`.
    """
    first, second = colours
    y = alt.Y(f"{name}:N", sort=table[name].tolist(), title=None, axis=name_axis())
    dots = alt.Chart(table.melt(name, [first, second], kind, value)).encode(
        y=y,
        x=share_axis(value, title, zero),
        color=kind_colours(kind, colours, columns=2),
        shape=alt.Shape(
            f"{kind}:N", scale=alt.Scale(domain=[first, second]), legend=legend_below(2)
        ),
        tooltip=[name, kind, *share_tooltips(value)],
    )
    between = alt.Chart(table).encode(y=y, x=share_axis(first, title, zero), x2=second)
    return alt.layer(
        between.mark_rule(color=GREY), dots.mark_point(filled=True, size=80, opacity=1)
    )


def grouped_rows(table: pd.DataFrame, name: str, kind: str) -> alt.Chart:
    """A row a name, in the table's order, and in it one below the other the kinds, in colour."""
    kinds = list(dict.fromkeys(table[kind]))
    colours = dict(zip(kinds, [BAR, OTHER, *VARIANT_COLOURS.values()], strict=False))
    order = list(dict.fromkeys(table[name]))
    return alt.Chart(table).encode(
        y=alt.Y(f"{name}:N", sort=order, title=None, axis=name_axis()),
        yOffset=alt.YOffset(f"{kind}:N", sort=kinds),
        color=kind_colours(kind, colours, columns=1),
    )


def kind_shapes(field: str, values: Iterable[Any], **legend: Any) -> alt.Shape:
    """A shape for each of a few kinds, explained under the chart."""
    return alt.Shape(
        f"{field}:N",
        scale=alt.Scale(domain=list(dict.fromkeys(values))),
        legend=legend_below(1, **legend),
    )


def marks_with_intervals(
    rows: alt.Chart, value: str, low: str, high: str, x: Callable[[str], alt.X], **encoding: Any
) -> list[alt.Chart]:
    """The layers of a mark at each row's value, on a line over its interval.

    value, low, high: columns. x: the axis for one of them. encoding: of the marks alone.
    """
    return [
        rows.mark_rule(strokeWidth=3).encode(x=x(low), x2=alt.X2(high)),
        rows.mark_point(filled=True, size=90, opacity=1).encode(x=x(value), **encoding),
    ]


def name_axis(**settings: Any) -> alt.Axis:
    """An axis of names, every one of them shown."""
    return alt.Axis(labelOverlap=False, labelLimit=200, ticks=False, domain=False, **settings)


def percent_axis() -> alt.Axis:
    """An axis of shares in whole percent."""
    return alt.Axis(format=".0%", tickMinStep=0.01, tickCount=6, labelSeparation=4)


def share_axis(field: str, title: str, zero: bool = False) -> alt.X:
    """A share, drawn over the range that is there, or from 0 on."""
    return alt.X(f"{field}:Q", title=title, scale=alt.Scale(zero=zero), axis=percent_axis())


def share_tooltips(*fields: str) -> list[alt.Tooltip]:
    """Tooltips of shares."""
    return [
        alt.Tooltip(f"{field}:Q", title=field.replace("_", " "), format=".1%") for field in fields
    ]


def kind_colours(field: str, colours: dict[str, str], columns: int = 3) -> alt.Color:
    """A colour for each of a few kinds, explained under the chart."""
    return alt.Color(
        f"{field}:N",
        scale=alt.Scale(domain=list(colours), range=list(colours.values())),
        legend=legend_below(columns),
    )


def name_colours(field: str, names: Iterable[str], columns: int | alt.ExprRef) -> alt.Color:
    """A colour for each name: a variant's own, or, where there are others, the same in turn."""
    known = list(dict.fromkeys(names))
    turn = list(VARIANT_COLOURS.values())
    colours = [VARIANT_COLOURS.get(name, turn[i % len(turn)]) for i, name in enumerate(known)]
    return alt.Color(
        f"{field}:N",
        scale=alt.Scale(domain=known, range=colours),
        sort=None,
        legend=legend_below(columns),
    )


def legend_below(columns: int | alt.ExprRef, **settings: Any) -> alt.Legend:
    """A legend under the chart, where a phone has room."""
    return alt.Legend(
        title=None, orient="bottom", columns=columns, labelLimit=300, symbolOpacity=1, **settings
    )


def styled(chart: Any, title: str, height: int | alt.Step) -> Any:
    """The chart with a title, a height (pixels, or of each row) and text sizes.

    Returns Any, see `titled`.
    """
    return (
        titled(chart, title)
        .properties(height=height)
        .configure_view(strokeWidth=0)
        .configure_axis(titleFontSize=12, labelFontSize=12, titleFontWeight="normal")
        .configure_legend(labelFontSize=12, titleFontSize=12, titleFontWeight="normal")
    )
