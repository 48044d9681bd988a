"""The Uncertainty tab: out-of-distribution photos and prediction sets."""

from pathlib import Path

import streamlit as st

from streamlit_app.markdown import escape_markdown
from streamlit_app.results import ood
from streamlit_app.results.reading import Reports
from streamlit_app.species import kinds
from streamlit_app.ui.state import show_chart


def show_uncertainty(folder: Path, reports: Reports, noun: str) -> None:
    """Both subjects, one below the other; raises ResultsError."""
    show_detection(folder, reports)
    show_sets(reports, noun)


def show_detection(folder: Path, reports: Reports) -> None:
    """Show the detection of photos of none of the classes."""
    found = ood.read_ood(folder)
    if found is None:
        return
    st.header("Out-of-distribution photos", anchor=False)
    st.markdown(
        "\n".join(f"- {row['sentence']}" for row in found["verdicts"])
        + "\n\nA photo is rejected when its novelty score exceeds that of 95% of val photos. These "
        "out-of-distribution photos were used to choose nothing."
    )
    table = ood.detection(found)
    left, right = st.columns(2, gap="medium")
    with left:
        show_chart(
            ood.auroc_by_variant(table),
            "AUROC of each variant against out-of-distribution photos; the table has the numbers",
            table,
            "ood",
        )
    with right:
        show_chart(
            ood.false_acceptance(table),
            "False acceptance rate of each variant; the table has the numbers",
            table,
            "ood-accepted",
        )
    with st.expander("The numbers as a table"):
        st.dataframe(
            ood.readable_detection(table, reports),
            hide_index=True,
            alt="Out-of-distribution detection of each variant",
            column_config={
                "variant": st.column_config.TextColumn(pinned=True),
                **{
                    f"{kind} accepted, %": st.column_config.NumberColumn(format="%.1f")
                    for kind in (*found["photos"], "test photos")
                },
            },
        )
    scores = ood.baselines(found)
    if len(scores):
        show_chart(
            ood.auroc_by_score(scores),
            "AUROC of each OOD score against val photos",
            scores,
            "ood-scores",
        )
        st.markdown(
            ":small[The scores were compared on other photos than those above. A tick is a "
            "variant, a larger mark their mean.]"
        )


def show_sets(reports: Reports, noun: str) -> None:
    """The coverage and size of prediction sets."""
    table = ood.prediction_sets(reports)
    if table.empty:
        return
    st.header("Prediction sets", anchor=False)
    st.markdown(
        f"A set names the likely {escape_markdown(kinds(noun))}. Its size is calibrated on val "
        "photos for a coverage of 90% or 95% over all photos; this is its coverage on test photos."
    )
    left, right = st.columns(2, gap="medium")
    with left:
        show_chart(
            ood.coverage_by_variant(table),
            "Coverage of each variant's prediction sets; the table has the numbers",
            table,
            "set-coverage",
        )
    with right:
        show_chart(
            ood.set_sizes(table),
            "Size of each variant's prediction sets; the table has the numbers",
            table,
            "set-sizes",
        )
    with st.expander("The numbers as a table"):
        st.dataframe(
            ood.readable_sets(table),
            hide_index=True,
            height="content",
            alt="Coverage and size of each variant's prediction sets",
            column_config={
                "variant": st.column_config.TextColumn(pinned=True),
                "level, %": st.column_config.NumberColumn(format="%.0f"),
                "coverage, %": st.column_config.NumberColumn(format="%.1f"),
                "mean size": st.column_config.NumberColumn(format="%.2f"),
                "lowest coverage": st.column_config.TextColumn(
                    help=f"Of all {kinds(noun)} the one whose photos have the lowest coverage"
                ),
                "its coverage, %": st.column_config.NumberColumn(format="%.0f"),
                "its mean size": st.column_config.NumberColumn(format="%.2f"),
            },
        )
