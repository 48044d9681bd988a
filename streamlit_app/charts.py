"""Tables to Altair charts."""

from collections.abc import Iterable, Sequence
from typing import Any

import altair as alt
import pandas as pd

# Marks stand out from a light and from a dark page, and who is blind to red or to green can tell
# the colours apart. Text has the page's own colour: Streamlit sees to titles, axes and legends.
FONT = "Source Sans"  # the page's
_BAR = "#1a8f7a"
_OTHER = "#d9662b"
_GREY = "#777777"
VARIANT_COLOURS = {
    "bn": "#6d3dff",
    "in": "#44aa00",
    "bin": "#cc77aa",
    "ln": "#6b6b00",
    "gn": "#7788ff",
    "nn": "#994488",
    "torch-bn": "#339966",
}
_SHAPES = ["circle", "square", "cross", "diamond", "triangle-up", "triangle-down"]
_SHAPES += ["triangle-right", "triangle-left"]
_SMALL = alt.ExprRef("containerSize()[0] < 500 ? 9 : 12")  # pixels, on a phone and elsewhere


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
    return chart.properties(title=alt.Title(title, anchor="start", font=FONT, fontSize=14))


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
    chart = (
        alt.Chart(table)
        .mark_bar(color=_BAR, cornerRadius=3)
        .encode(
            y=alt.Y("label", sort=None, axis=axis, scale=alt.Scale(padding=0.3)),
            x=alt.X("probability", scale=alt.Scale(domain=[0, 1]), axis=None),
            tooltip=["species", alt.Tooltip("probability", format=".2%")],
        )
        .properties(height=32 * len(table))
        .configure_view(strokeWidth=0)
    )
    return titled(chart, "Most likely species")


def accuracy_intervals(
    summary: pd.DataFrame, short_runs: pd.DataFrame, photos: int
) -> alt.LayerChart:
    """Each variant's accuracy on test with its interval, and those of its short runs.

    summary, short_runs: as streamlit_app.results makes them. photos: how many were answered.
    """
    full, short = "full run, with its 95% interval", "short runs, one mark a seed"
    order = summary.sort_values("test_accuracy", ascending=False)["variant"].tolist()
    short_runs = short_runs[short_runs["variant"].isin(order)]
    y = alt.Y("variant:N", sort=order, title=None, axis=_names())
    title = f"accuracy on {photos:,} test photos"
    kinds = {full: _BAR} | ({short: _OTHER} if len(short_runs) else {})
    whole = alt.Chart(summary.assign(run=full)).encode(
        y=y,
        color=_kinds("run", kinds, columns=1),
        tooltip=["variant", *_shares("test_accuracy", "test_accuracy_low", "test_accuracy_high")],
    )
    seeds = alt.Chart(short_runs.assign(run=short)).encode(
        y=y,
        x=_share("accuracy", title),
        color=_kinds("run", kinds, columns=1),
        tooltip=["variant:N", "seed:Q", *_shares("accuracy"), "epochs:Q"],
    )
    layers = [
        whole.mark_rule(strokeWidth=3).encode(
            x=_share("test_accuracy_low", title), x2="test_accuracy_high"
        ),
        whole.mark_point(filled=True, size=120, opacity=1).encode(x=_share("test_accuracy", title)),
    ]
    if len(short_runs):
        layers.insert(0, seeds.mark_tick(thickness=3, height=16, opacity=1))
    return _finished(alt.layer(*layers), "Accuracy of each variant", alt.Step(32))


def pair_grid(pairs: pd.DataFrame, variants: Sequence[str]) -> alt.LayerChart:
    """By how many points the row's variant leads the column's; in colour where no chance.

    pairs: as streamlit_app.results.pair_tests makes them. variants: in the order shown.
    """
    mirrored = pairs.rename(columns={"a": "b", "b": "a"}).assign(lead=-pairs["lead"])
    table = pd.concat([pairs, mirrored], ignore_index=True)
    ahead, behind, chance = "row ahead", "row behind", "may be chance"
    table["result"] = table["lead"].gt(0).map({True: ahead, False: behind})
    table.loc[~table["differ"].astype(bool), "result"] = chance
    table["points"] = table["lead"] * 100
    order = list(variants)
    grid = alt.Chart(table).encode(
        y=alt.Y("a:N", sort=order, title=None, axis=_names()),
        x=alt.X("b:N", sort=order, title="set against", axis=_names(labelAngle=-45)),
        tooltip=[
            alt.Tooltip("a:N", title="variant"),
            alt.Tooltip("b:N", title="set against"),
            alt.Tooltip("points:Q", title="lead, points", format="+.1f"),
            alt.Tooltip("p_holm:Q", title="p after Holm", format=".2g"),
        ],
    )
    # Dark enough for the white numbers on them.
    colours = {ahead: "#0f6b5c", behind: "#a8431a", chance: "#5f6368"}
    cells = grid.mark_rect(cornerRadius=3).encode(color=_kinds("result", colours))
    numbers = grid.mark_text(color="white", fontSize=_SMALL).encode(
        text=alt.Text("points:Q", format="+.1f")
    )
    return _finished(alt.layer(cells, numbers), "Lead in test accuracy, points", alt.Step(36))


def learning_curves(histories: pd.DataFrame, split: str, measure: str) -> alt.LayerChart:
    """One line a variant over the epochs of its training; a name clicked in the legend stands out.

    histories: as streamlit_app.results.read_histories makes them. split: train or val.
    measure: accuracy, macro_f1 or loss.
    """
    names = list(dict.fromkeys(histories["variant"]))
    share = measure != "loss"
    words = {"accuracy": "accuracy", "macro_f1": "macro F1", "loss": "cross-entropy, nats"}
    # One scale for train and val, which stand side by side.
    domain = [0, 1] if share else [0, histories["loss"].max()]
    colours = [VARIANT_COLOURS.get(name, _GREY) for name in names]
    shapes = [_SHAPES[place % len(_SHAPES)] for place in range(len(names))]
    legend = _legend(columns=4)
    alone = alt.selection_point(fields=["variant"], bind="legend")
    lines = alt.Chart(histories[histories["split"] == split]).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(format="d", tickMinStep=1, grid=False)),
        y=alt.Y(
            f"{measure}:Q",
            title=words[measure],
            scale=alt.Scale(domain=domain),
            axis=alt.Axis(format=".0%" if share else ".1f"),
        ),
        color=alt.Color(
            "variant:N", scale=alt.Scale(domain=names, range=colours), sort=None, legend=legend
        ),
        opacity=alt.when(alone).then(alt.value(1)).otherwise(alt.value(0.1)),
        tooltip=[
            "variant:N",
            "epoch:Q",
            alt.Tooltip(f"{measure}:Q", title=words[measure], format=".1%" if share else ".3f"),
        ],
    )
    points = lines.mark_point(filled=True, size=50).encode(
        shape=alt.Shape(
            "variant:N", scale=alt.Scale(domain=names, range=shapes), sort=None, legend=legend
        )
    )
    chart = alt.layer(lines.mark_line(), points.add_params(alone))
    return _finished(chart, f"Learning: {split} photos", 320)


def confusion_grid(confusion: pd.DataFrame, variant: str) -> alt.Chart:
    """A cell a true and an answered species, the fuller the larger the share of photos.

    confusion: as streamlit_app.results.confusion makes it.
    """
    right, wrong = "answered rightly", "taken for another"
    species = sorted(confusion["species"].unique())
    seen = confusion[confusion["photos"] > 0]
    table = seen.assign(
        result=seen["right"].map({True: right, False: wrong}),
        strength=seen["share"] ** 0.5,  # lets a mistake made twice in sixty photos be seen
    )
    strength = alt.Scale(domain=[0, 1], range=[0.1, 1])
    ordered = alt.Scale(domain=species)
    lines = {"grid": True, "tickBand": "extent"}
    chart = (
        alt.Chart(table)
        .mark_rect()
        .encode(
            y=alt.Y("species:N", title="on the photo", scale=ordered, axis=_names(**lines)),
            x=alt.X(
                "answered:N", title="answered", scale=ordered, axis=_names(**lines, labelAngle=-90)
            ),
            color=_kinds("result", {right: _BAR, wrong: _OTHER}),
            opacity=alt.Opacity("strength:Q", scale=strength, legend=None),
            tooltip=["species", "answered", "photos", *_shares("share")],
        )
    )
    return _finished(chart, f"What {variant} takes each species for", alt.Step(20))


def species_dots(scores: pd.DataFrame, variant: str) -> alt.LayerChart:
    """Recall and F1 of each species, in the order given.

    scores: as streamlit_app.results.species_scores makes them.
    """
    table = scores.rename(columns={"f1": "F1"})
    colours = {"recall": _OTHER, "F1": _BAR}
    chart = _two_dots(table, "species", "score", "share", "recall and F1 on test photos", colours)
    return _finished(chart, f"How well {variant} knows each species", alt.Step(22))


def reliability_diagram(bins: pd.DataFrame, variant: str) -> alt.LayerChart:
    """How often answers are right, for each bin of like probabilities.

    bins: as streamlit_app.results.reliability makes them.
    """
    whole = alt.Scale(domain=[0, 1])
    ideal = alt.Chart(pd.DataFrame({"confidence": [0, 1], "accuracy": [0, 1]}))
    measured = alt.Chart(bins)
    x = alt.X(
        "confidence:Q",
        title="probability given",
        scale=whole,
        axis=alt.Axis(format=".0%", tickCount=5, grid=False),
    )
    y = alt.Y("accuracy:Q", title="answers that are right", scale=whole, axis=_percent_axis())
    size = alt.Size(
        "photos:Q",
        title="photos",
        scale=alt.Scale(range=[30, 500]),
        legend=alt.Legend(orient="bottom", symbolFillColor=_BAR, symbolStrokeWidth=0),
    )
    chart = alt.layer(
        ideal.mark_line(strokeDash=[5, 5], color=_GREY).encode(x=x, y=y),
        measured.mark_line(color=_BAR).encode(x=x, y=y),
        measured.mark_circle(color=_BAR, opacity=1).encode(
            x=x, y=y, size=size, tooltip=["photos", *_shares("confidence", "accuracy")]
        ),
    )
    return _finished(chart, f"How far to believe {variant}", 340)


def calibration_bars(errors: pd.DataFrame) -> alt.LayerChart:
    """Each variant's calibration error before and after its temperature was fitted.

    errors: as streamlit_app.results.calibration_errors makes them.
    """
    colours = {"before": _OTHER, "after": _BAR}
    chart = _two_dots(
        errors, "variant", "temperature", "error", "calibration error", colours, zero=True
    )
    return _finished(chart, "Calibration error", alt.Step(32))


def learning_rates(cells: pd.DataFrame) -> alt.LayerChart:
    """Accuracy of each optimizer over learning rates, and under schedules at its best one.

    cells: as streamlit_app.studies.by_learning_rate makes them.
    """
    kinds = ["constant", "step", "cosine", "diverged"]
    shapes = ["circle", "square", "triangle-up", "cross"]
    points = alt.Chart(cells).encode(
        x=alt.X(
            "rate:Q",
            title="highest learning rate",
            scale=alt.Scale(type="log", nice=False, padding=15),
            axis=alt.Axis(values=sorted(cells["rate"].unique()), format="~g", grid=False),
        ),
        y=alt.Y("accuracy:Q", title="accuracy on val photos", axis=_percent_axis()),
        color=_names_in_colour("optimizer", cells["optimizer"], columns=2),
        tooltip=["optimizer:N", "rate:Q", "schedule:N", "runs:Q", *_shares("accuracy")],
    )
    marks = points.mark_point(filled=True, size=80, opacity=1).encode(
        shape=alt.Shape(
            "schedule:N",
            scale=alt.Scale(domain=kinds, range=shapes),
            legend=alt.Legend(
                title=None, orient="bottom", columns=4, symbolFillColor=_GREY, symbolStrokeWidth=0
            ),
        )
    )
    lines = points.mark_line().transform_filter("datum.schedule == 'constant'")
    return _finished(alt.layer(lines, marks), "Accuracy over learning rates", 360)


def batch_changes(changes: pd.DataFrame) -> alt.LayerChart:
    """By how much each norm's accuracy differs from that with batches of 32, one mark a seed.

    changes: as streamlit_app.studies.changes_with_batch makes them.
    """
    norms = list(dict.fromkeys(changes["norm"]))
    marks = alt.Chart(changes).encode(
        y=alt.Y(
            "setting:N", sort=list(dict.fromkeys(changes["setting"])), title=None, axis=_names()
        ),
        x=alt.X("points:Q", title="change from batch 32 in accuracy on val photos, points"),
        yOffset=alt.YOffset("norm:N", sort=norms),
        color=_names_in_colour("norm", changes["norm"], columns=4),
        tooltip=["norm:N", "setting:N", "seed:Q", alt.Tooltip("points:Q", format="+.1f")],
    )
    means = marks.encode(
        x="mean(points):Q",
        shape=alt.Shape(
            "norm:N", scale=alt.Scale(domain=norms, range=_SHAPES[: len(norms)]), legend=None
        ),
        tooltip=["norm:N", "setting:N", alt.Tooltip("mean(points):Q", format="+.1f")],
    )
    chart = alt.layer(
        alt.Chart(pd.DataFrame({"zero": [0]})).mark_rule(color=_GREY).encode(x="zero:Q"),
        marks.mark_tick(thickness=2, height=8, opacity=1),
        means.mark_point(filled=True, size=70, opacity=1),
    )
    return _finished(chart, "What batches of 8 and 128 do", 440)


def feature_curves(features: pd.DataFrame) -> alt.LayerChart:
    """Percentiles of each norm's last features over the epochs; a name clicked stands out.

    features: as streamlit_app.studies.features_over_epochs makes them.
    """
    shown = ["99%", "80%", "20%", "1%"]
    alone = alt.selection_point(fields=["norm"], bind="legend")
    lines = (
        alt.Chart(features)
        .mark_line(strokeWidth=2)
        .encode(
            x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(format="d", tickMinStep=1, grid=False)),
            y=alt.Y("value:Q", title="value of the features"),
            color=_names_in_colour("norm", features["norm"], columns=4),
            strokeDash=alt.StrokeDash(
                "percentile:N",
                scale=alt.Scale(domain=shown, range=[[1, 0], [6, 3], [3, 3], [1, 3]]),
                legend=alt.Legend(
                    title="percentile", orient="bottom", symbolStrokeColor=_GREY, symbolSize=300
                ),
            ),
            opacity=alt.when(alone).then(alt.value(1)).otherwise(alt.value(0.1)),
            tooltip=["norm:N", "percentile:N", "epoch:Q", alt.Tooltip("value:Q", format=".2f")],
        )
    )
    return _finished(alt.layer(lines.add_params(alone)), "Features before the last pooling", 360)


def depth_curves(cells: pd.DataFrame) -> alt.LayerChart:
    """Accuracy of each norm over the layers of the network, from its worst seed to its best.

    cells: as streamlit_app.studies.by_depth makes them.
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
        y=alt.Y("accuracy:Q", title=title, scale=alt.Scale(domainMin=0), axis=_percent_axis()),
        color=_names_in_colour("norm", cells["norm"], columns=3),
        tooltip=["norm:N", "layers:Q", "rate:Q", "runs:Q", *_shares("accuracy", "low", "high")],
    )
    points = marks.mark_point(filled=True, size=80, opacity=1).encode(
        shape=alt.Shape(
            "norm:N", scale=alt.Scale(domain=norms, range=_SHAPES[: len(norms)]), legend=None
        )
    )
    ranges = marks.mark_rule(strokeWidth=2).encode(y=alt.Y("low:Q", title=title), y2="high:Q")
    return _finished(alt.layer(marks.mark_line(), ranges, points), "Accuracy over depth", 360)


def _two_dots(
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
    colours: by column. zero: whether the axis starts at 0. Typed as `_finished` is, and why.
    """
    first, second = colours
    y = alt.Y(f"{name}:N", sort=table[name].tolist(), title=None, axis=_names())
    dots = alt.Chart(table.melt(name, [first, second], kind, value)).encode(
        y=y,
        x=_share(value, title, zero),
        color=_kinds(kind, colours, columns=2),
        shape=alt.Shape(f"{kind}:N", scale=alt.Scale(domain=[first, second]), legend=_legend(2)),
        tooltip=[name, kind, *_shares(value)],
    )
    between = alt.Chart(table).encode(y=y, x=_share(first, title, zero), x2=second)
    return alt.layer(
        between.mark_rule(color=_GREY), dots.mark_point(filled=True, size=80, opacity=1)
    )


def _names(**settings: Any) -> alt.Axis:
    """An axis of names, every one of them shown."""
    return alt.Axis(
        labelOverlap=False,
        labelLimit=200,
        labelFontSize=_SMALL,
        ticks=False,
        domain=False,
        **settings,
    )


def _percent_axis() -> alt.Axis:
    return alt.Axis(format=".0%", tickMinStep=0.01, tickCount=6)


def _share(field: str, title: str, zero: bool = False) -> alt.X:
    """A share, drawn over the range that is there, or from 0 on."""
    return alt.X(f"{field}:Q", title=title, scale=alt.Scale(zero=zero), axis=_percent_axis())


def _shares(*fields: str) -> list[alt.Tooltip]:
    return [
        alt.Tooltip(f"{field}:Q", title=field.replace("_", " "), format=".1%") for field in fields
    ]


def _kinds(field: str, colours: dict[str, str], columns: int = 3) -> alt.Color:
    """A colour for each of a few kinds, explained under the chart."""
    return alt.Color(
        f"{field}:N",
        scale=alt.Scale(domain=list(colours), range=list(colours.values())),
        legend=_legend(columns),
    )


def _names_in_colour(field: str, names: Iterable[str], columns: int) -> alt.Color:
    """A colour for each name: a variant's own, or, where there are others, the same in turn."""
    known = list(dict.fromkeys(names))
    turn = list(VARIANT_COLOURS.values())
    colours = [VARIANT_COLOURS.get(name, turn[i % len(turn)]) for i, name in enumerate(known)]
    return alt.Color(
        f"{field}:N",
        scale=alt.Scale(domain=known, range=colours),
        sort=None,
        legend=_legend(columns),
    )


def _legend(columns: int) -> alt.Legend:
    return alt.Legend(title=None, orient="bottom", columns=columns, labelLimit=300, symbolOpacity=1)


def _finished(chart: Any, title: str, height: int | alt.Step) -> Any:
    """Give a chart its title, its height (in pixels, or of each row) and its sizes of text.

    Typed as `titled` is, and why.
    """
    return (
        titled(chart, title)
        .properties(height=height)
        .configure_view(strokeWidth=0)
        .configure_axis(titleFontSize=12, labelFontSize=12, titleFontWeight="normal")
        .configure_legend(labelFontSize=12, titleFontSize=12, titleFontWeight="normal")
    )
