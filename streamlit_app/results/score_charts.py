"""What was measured of the variants, from tables to Altair charts."""

from collections.abc import Sequence

import altair as alt
import pandas as pd

from streamlit_app.results.charts import (
    BAR,
    GREY,
    OTHER,
    SHAPES,
    SMALL,
    finished,
    kind_colours,
    legend_below,
    marks_with_intervals,
    name_axis,
    name_colours,
    percent_axis,
    share_axis,
    share_tooltips,
    two_dots,
)


def accuracy_intervals(
    summary: pd.DataFrame, short_runs: pd.DataFrame, photos: int
) -> alt.LayerChart:
    """Each variant's accuracy on test with its interval, and those of its short runs.

    summary, short_runs: as streamlit_app.results.scores makes them. photos: how many were answered.
    """
    full, short = "full run, with its 95% interval", "short runs, one mark a seed"
    order = summary.sort_values("test_accuracy", ascending=False)["variant"].tolist()
    short_runs = short_runs[short_runs["variant"].isin(order)]
    y = alt.Y("variant:N", sort=order, title=None, axis=name_axis())
    title = f"accuracy on {photos:,} test photos"
    kinds = {full: BAR} | ({short: OTHER} if len(short_runs) else {})
    whole = alt.Chart(summary.assign(run=full)).encode(
        y=y,
        color=kind_colours("run", kinds, columns=1),
        tooltip=[
            "variant",
            *share_tooltips("test_accuracy", "test_accuracy_low", "test_accuracy_high"),
        ],
    )
    seeds = alt.Chart(short_runs.assign(run=short)).encode(
        y=y,
        x=share_axis("accuracy", title),
        color=kind_colours("run", kinds, columns=1),
        tooltip=["variant:N", "seed:Q", *share_tooltips("accuracy"), "epochs:Q"],
    )
    layers = marks_with_intervals(
        whole,
        "test_accuracy",
        "test_accuracy_low",
        "test_accuracy_high",
        lambda field: share_axis(field, title),
    )
    if len(short_runs):
        layers.insert(0, seeds.mark_tick(thickness=3, height=16, opacity=1))
    return finished(alt.layer(*layers), "Accuracy of each variant", alt.Step(32))


def pair_grid(pairs: pd.DataFrame, variants: Sequence[str]) -> alt.LayerChart:
    """By how many points the row's variant leads the column's; in colour where no chance.

    pairs: as streamlit_app.results.scores.pair_tests makes them. variants: in the order shown.
    """
    mirrored = pairs.rename(columns={"a": "b", "b": "a"}).assign(lead=-pairs["lead"])
    table = pd.concat([pairs, mirrored], ignore_index=True)
    ahead, behind, chance = "row ahead", "row behind", "may be chance"
    table["result"] = table["lead"].gt(0).map({True: ahead, False: behind})
    table.loc[~table["differ"].astype(bool), "result"] = chance
    table["points"] = table["lead"] * 100
    order = list(variants)
    grid = alt.Chart(table).encode(
        y=alt.Y("a:N", sort=order, title=None, axis=name_axis()),
        x=alt.X("b:N", sort=order, title="set against", axis=name_axis(labelAngle=-45)),
        tooltip=[
            alt.Tooltip("a:N", title="variant"),
            alt.Tooltip("b:N", title="set against"),
            alt.Tooltip("points:Q", title="lead, points", format="+.1f"),
            alt.Tooltip("p_holm:Q", title="p after Holm", format=".2g"),
        ],
    )
    # Dark enough for the white numbers on them.
    colours = {ahead: "#0f6b5c", behind: "#a8431a", chance: "#5f6368"}
    cells = grid.mark_rect(cornerRadius=3).encode(color=kind_colours("result", colours))
    numbers = grid.mark_text(color="white", fontSize=SMALL).encode(
        text=alt.Text("points:Q", format="+.1f")
    )
    return finished(alt.layer(cells, numbers), "Lead in test accuracy, points", alt.Step(36))


def learning_curves(histories: pd.DataFrame, split: str, measure: str) -> alt.LayerChart:
    """One line a variant over the epochs of its training; a name clicked in the legend stands out.

    histories: as streamlit_app.results.scores.read_histories makes them. split: train or val.
    measure: accuracy, macro_f1 or loss.
    """
    names = list(dict.fromkeys(histories["variant"]))
    share = measure != "loss"
    words = {"accuracy": "accuracy", "macro_f1": "macro F1", "loss": "cross-entropy, nats"}
    # One scale for train and val, which stand side by side.
    domain = [0, 1] if share else [0, histories["loss"].max()]
    shapes = [SHAPES[place % len(SHAPES)] for place in range(len(names))]
    legend = legend_below(columns=4)
    alone = alt.selection_point(fields=["variant"], bind="legend")
    lines = alt.Chart(histories[histories["split"] == split]).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(format="d", tickMinStep=1, grid=False)),
        y=alt.Y(
            f"{measure}:Q",
            title=words[measure],
            scale=alt.Scale(domain=domain),
            axis=alt.Axis(format=".0%" if share else ".1f"),
        ),
        color=name_colours("variant", names, columns=4),
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
    return finished(chart, f"Learning: {split} photos", 320)


def confusion_grid(confusion: pd.DataFrame, variant: str) -> alt.Chart:
    """A cell a true and an answered species, the fuller the larger the share of photos.

    confusion: as streamlit_app.results.scores.confusion makes it.
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
    lines = {"grid": True, "tickBand": "extent", "labelFontSize": SMALL}
    chart = (
        alt.Chart(table)
        .mark_rect()
        .encode(
            y=alt.Y("species:N", title="on the photo", scale=ordered, axis=name_axis(**lines)),
            x=alt.X(
                "answered:N",
                title="answered",
                scale=ordered,
                axis=name_axis(**lines, labelAngle=-90),
            ),
            color=kind_colours("result", {right: BAR, wrong: OTHER}),
            opacity=alt.Opacity("strength:Q", scale=strength, legend=None),
            tooltip=["species", "answered", "photos", *share_tooltips("share")],
        )
    )
    return finished(chart, f"What {variant} takes each species for", alt.Step(20))


def species_dots(scores: pd.DataFrame, variant: str) -> alt.LayerChart:
    """Recall and F1 of each species, in the order given.

    scores: as streamlit_app.results.scores.species_scores makes them.
    """
    table = scores.rename(columns={"f1": "F1"})
    colours = {"recall": OTHER, "F1": BAR}
    chart = two_dots(table, "species", "score", "share", "recall and F1 on test photos", colours)
    return finished(chart, f"How well {variant} knows each species", alt.Step(22))


def reliability_diagram(bins: pd.DataFrame, variant: str) -> alt.LayerChart:
    """How often answers are right, for each bin of like probabilities.

    bins: as streamlit_app.results.scores.reliability makes them.
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
    y = alt.Y("accuracy:Q", title="answers that are right", scale=whole, axis=percent_axis())
    size = alt.Size(
        "photos:Q",
        title="photos",
        scale=alt.Scale(range=[30, 500]),
        legend=alt.Legend(orient="bottom", symbolFillColor=BAR, symbolStrokeWidth=0),
    )
    chart = alt.layer(
        ideal.mark_line(strokeDash=[5, 5], color=GREY).encode(x=x, y=y),
        measured.mark_line(color=BAR).encode(x=x, y=y),
        measured.mark_circle(color=BAR, opacity=1).encode(
            x=x, y=y, size=size, tooltip=["photos", *share_tooltips("confidence", "accuracy")]
        ),
    )
    return finished(chart, f"How far to believe {variant}", 340)


def calibration_bars(errors: pd.DataFrame) -> alt.LayerChart:
    """Each variant's calibration error before and after its temperature was fitted.

    errors: as streamlit_app.results.scores.calibration_errors makes them.
    """
    colours = {"before": OTHER, "after": BAR}
    chart = two_dots(
        errors, "variant", "temperature", "error", "calibration error", colours, zero=True
    )
    return finished(chart, "Calibration error", alt.Step(32))
