"""Out-of-distribution detection and prediction sets, from files of results to tables and charts.

Shares are in [0, 1]. An out-of-distribution photo shows none of the species; its kind says what it
shows, such as other birds.
"""

import math
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd

from plumage.contract import RESULTS
from streamlit_app.results.charts import (
    GREY,
    grouped_rows,
    kind_shapes,
    marks_with_intervals,
    percent_axis,
    share_tooltips,
    styled,
)
from streamlit_app.results.reading import Reports, Results, read_measured
from streamlit_app.species import common_name

MODULE = "trainer.evaluate.ood --ood FOLDER"
AUROC_TITLE = "AUROC of the novelty score"
ALL, LOWEST = "all photos", "those of lowest coverage"


def is_measured(folder: Path) -> bool:
    """Whether a checkpoints folder has measurements on out-of-distribution photos."""
    return (folder / RESULTS / "ood.json").is_file()


def read_ood(folder: Path) -> Results | None:
    """Results on out-of-distribution photos; None where there are none; raises ResultsError."""

    def validate(found: Any) -> None:
        sum(found["photos"].values())
        [row["sentence"] for row in found["verdicts"]]
        detection(found)
        baselines(found)

    return read_measured(folder, "ood.json", MODULE, validate)


def detection(found: Results) -> pd.DataFrame:
    """One row a variant and kind, best variant first: auroc, low, high, false_acceptance_rate."""
    columns = ["variant", "kind", "auroc", "low", "high", "false_acceptance_rate"]
    return _best_first(pd.DataFrame(found["rows"], columns=columns), "variant")


def baselines(found: Results) -> pd.DataFrame:
    """One row an OOD score, variant and kind, best score first: its auroc."""
    columns = ["score", "variant", "kind", "auroc"]
    return _best_first(pd.DataFrame(found.get("scores", []), columns=columns), "score")


def _best_first(table: pd.DataFrame, name: str) -> pd.DataFrame:
    order = table.auroc.astype(float).groupby(table[name]).transform("mean")
    return table.iloc[(-order).argsort(kind="stable")].reset_index(drop=True)


def prediction_sets(reports: Reports) -> pd.DataFrame:
    """One row a variant and level: coverage and mean size (species) of its sets on test photos.

    species: of lowest coverage; lowest_coverage, lowest_size: of its photos. A variant without
    sets is left out.
    """
    rows = []
    for name, report in reports.items():
        for level, measured in report.get("prediction_sets", {}).items():
            coverage = measured["species_coverage"]  # None for a species without photos
            lowest = coverage.index(min(share for share in coverage if share is not None))
            rows.append(
                {
                    "variant": name,
                    "level": float(level),
                    "coverage": measured["coverage"],
                    "size": measured["size"],
                    "species": common_name(report["species"][lowest], report["species"]),
                    "lowest_coverage": coverage[lowest],
                    "lowest_size": measured["species_size"][lowest],
                }
            )
    columns = ["variant", "level", "coverage", "size", "species", "lowest_coverage", "lowest_size"]
    return pd.DataFrame(rows, columns=columns)


def readable_detection(table: pd.DataFrame, reports: Reports) -> pd.DataFrame:
    """A row a variant of `detection`; in percent where it says so."""
    rows: dict[str, dict[str, Any]] = {}
    for found in table.itertuples():
        name = str(found.variant)
        row = rows.setdefault(name, {"variant": name})
        row[f"AUROC, {found.kind}"] = f"{found.auroc:.3f} ({found.low:.3f} to {found.high:.3f})"
        row[f"{found.kind} accepted, %"] = 100 * found.false_acceptance_rate
    for name, row in rows.items():
        accepted = reports.get(name, {}).get("novelty", {}).get("accepted", {})
        row["test photos accepted, %"] = 100 * accepted.get("test", float("nan"))
    return pd.DataFrame(rows.values())


def readable_sets(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `prediction_sets`, in percent where they say so."""
    return pd.DataFrame(
        {
            "variant": table.variant,
            "level, %": table.level * 100,
            "coverage, %": table.coverage * 100,
            "mean size": table["size"],
            "lowest coverage": table.species,
            "its coverage, %": table.lowest_coverage * 100,
            "its mean size": table.lowest_size,
        }
    )


def auroc_by_variant(table: pd.DataFrame) -> alt.LayerChart:
    """Each variant's AUROC against each kind of photos, with its interval.

    table: as `detection` makes it.
    """
    axis = alt.Axis(format=".2f", tickCount=6)
    rows = grouped_rows(table, "variant", "kind").encode(
        tooltip=[
            "variant",
            "kind",
            *(alt.Tooltip(f, format=".3f") for f in ("auroc", "low", "high")),
        ]
    )
    scale = _area_scale(table.low)
    layers = marks_with_intervals(
        rows,
        "auroc",
        "low",
        "high",
        lambda field: alt.X(f"{field}:Q", title=AUROC_TITLE, scale=scale, axis=axis),
        shape=kind_shapes("kind", table.kind),
    )
    return styled(
        alt.layer(*layers), "Out-of-distribution photos against test photos", alt.Step(20)
    )


def false_acceptance(table: pd.DataFrame) -> alt.LayerChart:
    """Each variant's false acceptance rate for each kind of photos.

    table: as `detection` makes it.
    """
    points = (
        grouped_rows(table, "variant", "kind")
        .mark_point(filled=True, size=90, opacity=1)
        .encode(
            x=alt.X(
                "false_acceptance_rate:Q",
                title="out-of-distribution photos accepted",
                scale=alt.Scale(domain=[0, 1]),
                axis=percent_axis(),
            ),
            shape=kind_shapes("kind", table.kind),
            tooltip=["variant", "kind", *share_tooltips("false_acceptance_rate")],
        )
    )
    return styled(alt.layer(points), "False acceptance rate", alt.Step(20))


def auroc_by_score(table: pd.DataFrame) -> alt.LayerChart:
    """The AUROC of each OOD score: a tick a variant, and their mean.

    table: as `baselines` makes it.
    """
    rows = grouped_rows(table, "score", "kind")
    scale = _area_scale(table.auroc)
    ticks = rows.mark_tick(thickness=2, height=10, opacity=1).encode(
        x=alt.X("auroc:Q", title="AUROC", scale=scale, axis=alt.Axis(format=".2f", tickCount=6)),
        tooltip=["score", "variant", "kind", alt.Tooltip("auroc", format=".3f")],
    )
    means = rows.mark_point(filled=True, size=90, opacity=1).encode(
        x=alt.X("mean(auroc):Q", title="AUROC", scale=scale),
        shape=kind_shapes("kind", table.kind),
        tooltip=["score", "kind", alt.Tooltip("mean(auroc)", format=".3f")],
    )
    return styled(alt.layer(ticks, means), "OOD scores, against val photos", alt.Step(20))


def coverage_by_variant(table: pd.DataFrame) -> alt.LayerChart:
    """The coverage of each variant's sets beside the level that they were calibrated for.

    table: as `prediction_sets` makes it.
    """
    levels = alt.Chart(table).mark_rule(strokeDash=[5, 5], color=GREY).encode(x="level:Q")
    points = _sets(table, ["coverage", "lowest_coverage"]).encode(
        x=alt.X(
            "value:Q",
            title="coverage on test photos",
            scale=alt.Scale(zero=False),
            axis=percent_axis(),
        ),
        tooltip=["variant", "set", "of", "species", *share_tooltips("value")],
    )
    return styled(alt.layer(levels, points), "Coverage of prediction sets", alt.Step(20))


def set_sizes(table: pd.DataFrame) -> alt.LayerChart:
    """The mean size of each variant's sets.

    table: as `prediction_sets` makes it.
    """
    points = _sets(table, ["size", "lowest_size"]).encode(
        x=alt.X("value:Q", title="mean size of a set"),
        tooltip=["variant", "set", "of", "species", alt.Tooltip("value", format=".2f")],
    )
    return styled(alt.layer(points), "Size of prediction sets", alt.Step(20))


def _sets(table: pd.DataFrame, values: list[str]) -> alt.Chart:
    """A mark a variant, level, and one of two values: over all species, of the lowest coverage."""
    named = table.rename(columns=dict(zip(values, (ALL, LOWEST), strict=True)))
    named["set"] = named["level"].map("{:.0%} set".format)
    long = named.melt(["variant", "set", "species"], [ALL, LOWEST], "of", "value")
    marks = grouped_rows(long, "variant", "set").mark_point(filled=True, size=90, opacity=1)
    grey = {"symbolFillColor": GREY, "symbolStrokeWidth": 0}
    return marks.encode(shape=kind_shapes("of", [ALL, LOWEST], **grey))


def _area_scale(areas: pd.Series) -> alt.Scale:
    """From the multiple of 0.05 below the smallest to 1."""
    return alt.Scale(domain=[math.floor(areas.min() * 20) / 20, 1])
