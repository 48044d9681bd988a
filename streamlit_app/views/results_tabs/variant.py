"""The Per variant tab: confusion, species and calibration of one variant."""

from functools import partial

import pandas as pd
import streamlit as st

from plumage.contract import CONSENSUS
from streamlit_app.markdown import escape_markdown
from streamlit_app.results import variant as variant_results
from streamlit_app.results.comparison import Comparison
from streamlit_app.results.scores import Reports, rank_variants
from streamlit_app.results.sets import ClassSet
from streamlit_app.species import common_name, kind, kinds
from streamlit_app.ui.state import selectbox_in_url, show_chart, variant_label


def show_variant(reports: Reports, comparison: Comparison, classes: ClassSet) -> None:
    """One variant's mistakes, species and calibration, all on test photos."""
    one, name_of = kind(classes.noun), partial(common_name, classes=comparison["species"])
    compared = {name: report for name, report in reports.items() if name in comparison["models"]}
    variants = list(rank_variants(compared, classes.folder))
    if len(variants) > 1:
        variants.append(CONSENSUS)

    def words(name: str) -> str:
        if name == CONSENSUS:
            return "consensus: the mean of all probabilities"
        return variant_label(name, reports[name]["recipe"]["norm"])

    st.header("Variant", anchor=False)
    left, right = st.columns(2, gap="medium")
    with left:
        variant = selectbox_in_url("Variant", variants, "variant", variants[0], words)
    with right:
        species = selectbox_in_url(
            one.capitalize(),
            sorted(comparison["species"], key=name_of),
            "species",
            None,
            name_of,
            f"All {kinds(classes.noun)}",
        )
    assert variant is not None  # there is a default
    st.markdown(f"Measured on {comparison['photos']:,} test photos.")
    left, right = st.columns([3, 2], gap="medium")
    table = variant_results.confusion(comparison, variant)
    with left:
        show_chart(
            variant_results.confusion_grid(table, variant),
            f"Confusion matrix of {variant}; the table of mistakes has its largest cells",
            table,
            f"confusion-{variant}",
        )
    with right:
        show_mistakes(table, name_of(species) if species else None)
        bins = variant_results.reliability(comparison, variant)
        show_chart(
            variant_results.reliability_diagram(bins, variant),
            f"Accuracy of {variant} against its confidence",
            bins,
            f"reliability-{variant}",
        )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        scores = variant_results.species_scores(comparison, variant)
        show_chart(
            variant_results.species_dots(scores, variant),
            f"Recall and F1 of {variant} for each {one}",
            scores,
            f"species-{variant}",
        )
    with right:
        errors = variant_results.calibration_errors(comparison, variants)
        show_chart(
            variant_results.calibration_bars(errors),
            "Calibration error of each variant before and after temperature scaling",
            errors,
            "calibration",
        )
        st.markdown(
            "Expected calibration error before and after temperature scaling, which is fitted on "
            "val photos."
        )


def show_mistakes(confusion: pd.DataFrame, species: str | None) -> None:
    """The most frequent mistakes, or those of one species, by its name on the page."""
    table = variant_results.mistakes(confusion, species)
    of = f"Mistakes with {species}" if species else "Most frequent mistakes"
    st.markdown(f"**{escape_markdown(of)}**")
    if table.empty:
        st.markdown("None.")
        return
    st.dataframe(
        table.head(10)[["photos", "species", "answered"]],
        hide_index=True,
        alt=of,
        column_config={
            "species": "on the photo",
            "answered": "predicted",
            "photos": st.column_config.NumberColumn(width=60),
        },
    )
