"""The comparison of all variants on the same photos: its files, pairwise tests and their chart."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import pandas as pd

from plumage.contract import MODEL
from streamlit_app.results.charts import (
    SMALL,
    kind_colours,
    name_axis,
    styled,
)
from streamlit_app.results.reading import (
    Reports,
    read_measured,
)

MODULE = "trainer.evaluate.comparison"
Comparison = Mapping[str, Any]


def read_comparison(folder: Path) -> dict[str, Any] | None:
    """Measurements of all variants on the same photos; None where there are none yet."""

    def validate(comparison: Any) -> None:
        count = len(comparison["species"])
        shapes = {np.shape(scores["confusion"]) for scores in comparison["variants"].values()}
        if shapes - {(count, count)} or not comparison["sentence"]:
            raise ValueError
        comparison["models"].keys()
        pair_tests(comparison)

    return read_measured(folder, "comparison.json", MODULE, validate)


def read_leakage(folder: Path) -> dict[str, Any] | None:
    """The effect of near-duplicates of training photos; None where it is not measured."""
    module = "trainer.evaluate.leakage"
    return read_measured(folder, "leakage.json", module, lambda found: str(found["sentence"] + ""))


def outdated(folder: Path, reports: Reports, comparison: Comparison) -> tuple[list[str], list[str]]:
    """The variants that the comparison lacks, and those whose model.onnx is another one.

    A model.onnx is known by its SHA-256.
    """
    compared = comparison["models"]
    changed = [
        name
        for name in reports
        if name in compared
        and compared[name] != hashlib.sha256((folder / name / MODEL).read_bytes()).hexdigest()
    ]
    return [name for name in reports if name not in compared], changed


def pair_tests(comparison: Comparison) -> pd.DataFrame:
    """One row a pair: McNemar's test, and the share of photos by which `a` leads `b`.

    differ: whether the pair differs significantly.
    """
    columns = ["a", "b", "only_a_right", "only_b_right", "p", "p_holm", "lead", "differ"]
    return pd.DataFrame(comparison["pairs"], columns=columns)


def pair_grid(pairs: pd.DataFrame, variants: Sequence[str]) -> alt.LayerChart:
    """The lead of the row's variant over the column's in points; in colour where significant.

    pairs: as streamlit_app.results.scores.pair_tests makes them. variants: in the order shown.
    """
    mirrored = pairs.rename(columns={"a": "b", "b": "a"}).assign(lead=-pairs["lead"])
    table = pd.concat([pairs, mirrored], ignore_index=True)
    ahead, behind, alike = "row ahead", "row behind", "not significant"
    table["result"] = table["lead"].gt(0).map({True: ahead, False: behind})
    table.loc[~table["differ"].astype(bool), "result"] = alike
    table["points"] = table["lead"] * 100
    order = list(variants)
    grid = alt.Chart(table).encode(
        y=alt.Y("a:N", sort=order, title=None, axis=name_axis()),
        x=alt.X("b:N", sort=order, title="compared with", axis=name_axis(labelAngle=-45)),
        tooltip=[
            alt.Tooltip("a:N", title="variant"),
            alt.Tooltip("b:N", title="compared with"),
            alt.Tooltip("points:Q", title="lead, points", format="+.1f"),
            alt.Tooltip("p_holm:Q", title="p after Holm", format=".2g"),
        ],
    )
    # Dark enough for the white numbers on them.
    colours = {ahead: "#0f6b5c", behind: "#a8431a", alike: "#5f6368"}
    cells = grid.mark_rect(cornerRadius=3).encode(color=kind_colours("result", colours))
    numbers = grid.mark_text(color="white", fontSize=SMALL).encode(
        text=alt.Text("points:Q", format="+.1f")
    )
    return styled(alt.layer(cells, numbers), "Lead in test accuracy, points", alt.Step(36))
