"""The Accuracy tab: each variant's scores, with the chart and table."""

from pathlib import Path

import pandas as pd
import streamlit as st

from streamlit_app.results import scores
from streamlit_app.results.comparison import Comparison
from streamlit_app.results.reading import command
from streamlit_app.results.scores import Reports
from streamlit_app.ui.state import show_chart


def show_accuracy(
    reports: Reports, short_runs: pd.DataFrame, comparison: Comparison | None, folder: Path
) -> None:
    """The chart, the budgets and the table."""
    table = scores.summary(reports, short_runs, comparison)
    if not scores.same_budget(reports):
        st.warning(
            "These full runs use different epochs or resolutions: their differences are not those "
            "of the norms alone. The short runs share one budget."
        )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        show_chart(
            scores.accuracy_intervals(table, short_runs, scores.photos_used(reports, "test")),
            "Accuracy of each variant on test photos; the table has the numbers",
            table,
            "scores",
        )
    with right:
        studies = command("trainer.studies norms", folder)
        seeds = (
            f"**Short runs**: {scores.short_budget(short_runs)}. Their standard deviation over "
            "seeds is the variance of training."
            if len(short_runs)
            else f"**Short runs** with several seeds show the variance of training: {studies}."
        )
        val = scores.photos_used(reports, "val")
        full = ["one a variant, served by this app", scores.machines(reports)]
        st.markdown(
            f"The networks differ only in their norm: {scores.photos_used(reports, 'train')} "
            f"training photos, {scores.photos_used(reports, 'test')} test photos."
            f"\n\n**Full run**: {scores.budget(reports)}, {', '.join(filter(None, full))}."
            f"\n\n{seeds}\n\n"
            f"**Test** photos chose nothing. **Val** photos ({val}) chose the "
            "best epoch, which inflates their score. Intervals: 95% bootstrap over photos."
        )
    st.dataframe(
        scores.readable_summary(table.sort_values("test_accuracy", ascending=False)),
        hide_index=True,
        alt="Scores of each variant",
        column_config={
            "variant": st.column_config.TextColumn(pinned=True),
            "macro F1 on test, %": st.column_config.NumberColumn(format="%.1f"),
            "parameters": st.column_config.NumberColumn(format="localized"),
            "training, min": st.column_config.NumberColumn(
                format="%.0f", help="Full run, wall clock; not a speed comparison"
            ),
            "answer, ms": st.column_config.NumberColumn(
                format="%.1f", help="Median for one photo, on two threads"
            ),
            "calibration error, points": st.column_config.NumberColumn(
                format="%.1f", help="Expected calibration error on test photos"
            ),
        },
    )
