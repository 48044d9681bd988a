"""The effect of black corners on training photos, from results/border.json to tables and charts.

Of each two networks one was trained on clean photos, one on photos where some species have
corners. Shares are in [0, 1].
"""

from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from plumage.contract import RESULTS
from streamlit_app.results.charts import (
    SMALL,
    grouped_rows,
    kind_shapes,
    marks_with_intervals,
    name_axis,
    percent_axis,
    share_tooltips,
    styled,
)
from streamlit_app.results.reading import Results, read_measured

MODULE = "trainer.studies.border"
TRAINING = {"none": "whole photos", "crops": "random crops"}  # by augmentation
TRAINED = {"clean": "trained on clean photos", "bordered": "trained on photos with corners"}
ASKED = {"clean": "clean", "black": "with corners", "mirrored": "turned, corners filled"}


def is_measured(folder: Path) -> bool:
    """Whether a checkpoints folder has the border experiment."""
    return (folder / RESULTS / "border.json").is_file()


def read_border(folder: Path) -> Results | None:
    """The experiment's results; None where there are none; raises ResultsError."""

    def validate(found: Any) -> None:
        for way in verdicts(found):
            accuracies(found, way)
            mean_heatmaps(found, way)
        len(found["species"])

    return read_measured(folder, "border.json", MODULE, validate)


def verdicts(found: Results) -> dict[str, str]:
    """The sentence on each pair of networks, in Markdown, by their augmentation."""
    return {row["augmentation"]: row["sentence"] for row in found["verdicts"]}


def accuracies(found: Results, way: str) -> pd.DataFrame:
    """One row a network, kind of test photos and group of species: accuracy, low, high, taken.

    low, high: its 95% interval. taken: the share of answers that are one of the species that had
    corners in training.
    """
    groups = {"bordered": f"the {len(found['species'])}", "others": "the others"}
    table = _of(found["rows"], way)
    table = table[table.asked.isin(ASKED) & table.group.isin(groups)].copy()
    for column, order in (("group", groups), ("asked", ASKED), ("trained", TRAINED)):
        table[column] = pd.Categorical(table[column], list(order))
    table = table.sort_values(["group", "asked", "trained"], ignore_index=True).astype(
        {"group": str, "asked": str, "trained": str}
    )
    return pd.DataFrame(
        {
            "trained": table.trained.map(TRAINED),
            "asked": table.group.map(groups) + ", " + table.asked.map(ASKED),
            **{column: table[column] for column in ("accuracy", "low", "high", "taken")},
        }
    )


def mean_heatmaps(found: Results, way: str) -> pd.DataFrame:
    """One row a cell of each mean heatmap: trained, asked, row, column (from 0) and heat.

    heat: in parts of a uniform map's.
    """
    return pd.DataFrame(
        [
            {
                "trained": TRAINED[heatmap["trained"]],
                "asked": f"asked: {ASKED[heatmap['asked']]}",
                "row": row,
                "column": column,
                "heat": float(heat),
            }
            for heatmap in found["heatmaps"]
            if heatmap["augmentation"] == way
            for row, cells in enumerate(heatmap["map"])
            for column, heat in enumerate(cells)
        ]
    )


def hottest(found: Results) -> float:
    """The largest heat of all mean heatmaps, so that all have one scale of colours."""
    return max(mean_heatmaps(found, way).heat.max() for way in verdicts(found))


def _of(rows: list[dict[str, Any]], way: str) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    return table[table.augmentation == way]


def accuracy_by_photos(table: pd.DataFrame, way: str) -> alt.LayerChart:
    """Accuracy of both networks on each kind of photos, with 95% intervals.

    table: as `accuracies` makes it. way: of training, in words.
    """
    rows = grouped_rows(table, "asked", "trained").encode(
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
    return styled(alt.layer(*layers), f"Accuracy, {way}", alt.Step(18))


def heatmap_grid(table: pd.DataFrame, way: str, max_heat: float) -> alt.Chart:
    """The mean heatmaps of both networks, side by side, asked about both kinds of photos.

    table: as `mean_heatmaps` makes it. way: of training, in words.
    max_heat: the heat of the lightest colour.
    """
    # Inferno: told apart by colour-blind eyes, and each colour lighter than the one before.
    inferno = alt.Scale(scheme="inferno", domain=[0, max_heat])
    colour = alt.Color(
        "heat:Q",
        scale=inferno,
        legend=alt.Legend(
            type="gradient",
            title="heat relative to a uniform map",
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
    return styled(rows.mark_rect(strokeWidth=1), f"Mean heatmaps, {way}", 500)
