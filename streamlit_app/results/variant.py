"""One variant in detail: its confusion, its species and its calibration, with their charts.

Shares are in [0, 1].
"""

from collections.abc import Iterable

import altair as alt
import numpy as np
import pandas as pd

from streamlit_app.results.charts import (
    BAR,
    GREY,
    OTHER,
    SMALL,
    dumbbell,
    kind_colours,
    name_axis,
    percent_axis,
    share_tooltips,
    styled,
)
from streamlit_app.results.comparison import Comparison
from streamlit_app.species import common_name


def confusion(comparison: Comparison, variant: str) -> pd.DataFrame:
    """One row a true and an answered species: how many photos, and which share of the true's."""
    counts = np.array(comparison["variants"][variant]["confusion"])
    names = [common_name(name, comparison["species"]) for name in comparison["species"]]
    true, answered = np.meshgrid(range(len(names)), range(len(names)), indexing="ij")
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return pd.DataFrame(
        {
            "species": np.take(names, true.ravel()),
            "answered": np.take(names, answered.ravel()),
            "photos": counts.ravel(),
            "share": (counts / totals).ravel(),
            "right": (true == answered).ravel(),
        }
    )


def mistakes(table: pd.DataFrame, species: str | None = None) -> pd.DataFrame:
    """The wrong cells of a confusion table, most photos first; of one species where given."""
    wrong = table[~table.right & (table.photos > 0)]
    if species is not None:
        wrong = wrong[(wrong.species == species) | (wrong.answered == species)]
    return wrong.sort_values(["photos", "share"], ascending=False, ignore_index=True)


def species_scores(comparison: Comparison, variant: str) -> pd.DataFrame:
    """One row a species, hardest last: its recall and F1."""
    scores = comparison["variants"][variant]
    names = [common_name(name, comparison["species"]) for name in comparison["species"]]
    table = pd.DataFrame({"species": names, "recall": scores["recall"], "f1": scores["f1"]})
    return table.sort_values("f1", ascending=False, ignore_index=True)


def reliability(comparison: Comparison, variant: str) -> pd.DataFrame:
    """One row a bin of like probabilities: confidence, accuracy, photos."""
    bins = comparison["variants"][variant]["reliability"]
    return pd.DataFrame(bins, columns=["confidence", "accuracy", "photos"])


def calibration_errors(comparison: Comparison, variants: Iterable[str]) -> pd.DataFrame:
    """One row a variant: its calibration error before and after its temperature was fitted."""
    compared = comparison["variants"]
    return pd.DataFrame(
        [{"variant": name, **compared[name]["calibration_error"]} for name in variants]
    )


def confusion_grid(confusion: pd.DataFrame, variant: str) -> alt.Chart:
    """A cell a true and an answered species, the fuller the larger the share of photos.

    confusion: as streamlit_app.results.variant.confusion makes it.
    """
    right, wrong = "correct", "wrong"
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
                title="predicted",
                scale=ordered,
                axis=name_axis(**lines, labelAngle=-90),
            ),
            color=kind_colours("result", {right: BAR, wrong: OTHER}),
            opacity=alt.Opacity("strength:Q", scale=strength, legend=None),
            tooltip=["species", "answered", "photos", *share_tooltips("share")],
        )
    )
    row = max(20, 120 // len(species))  # few rows would have no room for the axis title
    return styled(chart, f"Confusion matrix of {variant}", alt.Step(row))


def species_dots(scores: pd.DataFrame, variant: str) -> alt.LayerChart:
    """Recall and F1 of each species, in the order given.

    scores: as streamlit_app.results.variant.species_scores makes them.
    """
    table = scores.rename(columns={"f1": "F1"})
    colours = {"recall": OTHER, "F1": BAR}
    chart = dumbbell(table, "species", "score", "share", "recall and F1 on test photos", colours)
    return styled(chart, f"Recall and F1 of {variant}", alt.Step(22))


def reliability_diagram(bins: pd.DataFrame, variant: str) -> alt.LayerChart:
    """Accuracy of predictions, for each bin of like probabilities.

    bins: as streamlit_app.results.variant.reliability makes them.
    """
    whole = alt.Scale(domain=[0, 1])
    ideal = alt.Chart(pd.DataFrame({"confidence": [0, 1], "accuracy": [0, 1]}))
    measured = alt.Chart(bins)
    x = alt.X(
        "confidence:Q",
        title="confidence",
        scale=whole,
        axis=alt.Axis(format=".0%", tickCount=5, grid=False),
    )
    y = alt.Y("accuracy:Q", title="accuracy", scale=whole, axis=percent_axis())
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
    return styled(chart, f"Reliability of {variant}", 340)


def calibration_bars(errors: pd.DataFrame) -> alt.LayerChart:
    """Each variant's calibration error before and after its temperature was fitted.

    errors: as streamlit_app.results.variant.calibration_errors makes them.
    """
    colours = {"before": OTHER, "after": BAR}
    chart = dumbbell(
        errors, "variant", "temperature", "error", "calibration error", colours, zero=True
    )
    return styled(chart, "Calibration error", alt.Step(32))
