"""The Significance tab: pairwise tests of the variants."""

import streamlit as st

from streamlit_app.results.comparison import Comparison, pair_grid, pair_tests
from streamlit_app.results.scores import Reports
from streamlit_app.ui.state import show_chart


def show_significance(reports: Reports, comparison: Comparison) -> None:
    """The verdict, the grid of leads and the table of tests."""
    pairs = pair_tests(comparison)
    variants = [name for name in reports if name in comparison["models"]]
    st.header("Pairwise tests", anchor=False)
    st.markdown(
        f"{pairs.differ.sum()} of {len(pairs)} pairs differ significantly "
        f"(McNemar's exact test on {comparison['photos']:,} test photos, Holm's correction, 5%). "
        "This compares these particular networks; the seeds under Accuracy show the variance "
        "of training."
    )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        show_chart(
            pair_grid(pairs, variants),
            "Lead of each variant over each other in points; the table has the numbers",
            pairs,
            "pairs",
        )
    with right:
        st.dataframe(
            pairs.sort_values("p_holm")[["a", "b", "only_a_right", "only_b_right", "p_holm"]],
            hide_index=True,
            alt="Each pair of variants, and the photos that only one of them gets right",
            column_config={
                "only_a_right": "only a right",
                "only_b_right": "only b right",
                "p_holm": st.column_config.NumberColumn("p, Holm", format="%.2g"),
            },
        )
