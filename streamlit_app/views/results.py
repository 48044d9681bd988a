"""What was measured: scores, chance, learning, and one variant from close."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from plumage.contract import CONSENSUS
from streamlit_app.inference.classifier import checkpoints_folder
from streamlit_app.markdown import escape_markdown
from streamlit_app.results import score_charts as result_charts
from streamlit_app.results import scores as results
from streamlit_app.results import studies, study_charts
from streamlit_app.results.best import best_first
from streamlit_app.results.scores import Comparison, Reports, ResultsError
from streamlit_app.species import common_name
from streamlit_app.ui.state import selectbox_in_url, show_chart, tabs_in_url, variant_label
from streamlit_app.views.results_tabs.border import show_shortcut
from streamlit_app.views.results_tabs.ood import show_doubt

COMMAND = "`python -m trainer.evaluate.comparison --data PHOTOS`"
STUDY = "`python -m trainer.studies norms --data PHOTOS`"
NOTES = {
    "optimizers": "A mark is the mean over seeds; one that diverged in any seed is drawn at 0.",
    "batch-size": "At the best learning rate of each; a bar goes from the worst seed to the best.",
    "feature-quantiles": "After the last ReLU, of the same val photos each time, in eval mode.",
    "depth": "At the better learning rate of each norm and depth; a bar goes from the worst seed "
    "to the best, and a run that diverged counts as 0.",
    "learning-rate": "One run each; one that diverged is drawn at 0.",
}
MEASURES = {"accuracy": "Accuracy", "macro_f1": "Macro F1", "loss": "Loss"}


def show_scores(reports: Reports, short_runs: pd.DataFrame, comparison: Comparison | None) -> None:
    """What each variant scored, and what the numbers mean."""
    photos = next(iter(reports.values()))["photos"]
    table = results.summary(reports, short_runs, comparison)
    st.markdown(
        f"Small networks that differ in their norm, trained from scratch on "
        f"{photos['train']['count']:,} photos and tested on {photos['test']['count']:,} others."
    )
    if not results.alike(reports):
        st.warning(
            "These full runs are not yet of one length and photo size, so differences between "
            "them are not those of their norms alone. The short runs are alike."
        )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        show_chart(
            result_charts.accuracy_intervals(table, short_runs, photos["test"]["count"]),
            "Accuracy of each variant on test photos; the table has the numbers",
            table,
            "scores",
        )
    with right:
        seeds = (
            f"**Short runs**: {results.short_budget(short_runs)}. The spread over seeds (standard "
            "deviation) is what chance does to one training."
            if len(short_runs)
            else "**Short runs** with several seeds, which show what chance does to one training, "
            f"are made by {STUDY}."
        )
        full = ["one a variant, the one this app answers with", results.machines(reports)]
        st.markdown(
            f"**Full run**: {results.budget(reports)}, {', '.join(filter(None, full))}."
            f"\n\n{seeds}\n\n"
            f"**Test** photos were used for nothing but these numbers. **Val** photos "
            f"({photos['val']['count']:,}) chose the best epoch, which flatters their score. "
            "Intervals are 95% bootstrap intervals over photos."
        )
    st.dataframe(
        results.readable_summary(table.sort_values("test_accuracy", ascending=False)),
        hide_index=True,
        alt="Scores of each variant",
        column_config={
            "variant": st.column_config.TextColumn(pinned=True),
            "macro F1 on test, %": st.column_config.NumberColumn(format="%.1f"),
            "parameters": st.column_config.NumberColumn(format="localized"),
            "training, min": st.column_config.NumberColumn(
                format="%.0f", help="Full run, on the machine that trained it"
            ),
            "answer, ms": st.column_config.NumberColumn(
                format="%.1f", help="Median for one photo, on two threads"
            ),
            "calibration error, points": st.column_config.NumberColumn(
                format="%.1f",
                help="How far probabilities are from how often they come true, on test",
            ),
        },
    )


def show_pairs(reports: Reports, comparison: Comparison) -> None:
    """Which variants differ by more than chance."""
    pairs = results.pair_tests(comparison)
    variants = [name for name in reports if name in comparison["variants"]]
    st.header("Which differences are more than chance?", anchor=False)
    st.markdown(
        f"{results.verdict(comparison)} (McNemar's test on the same {comparison['photos']:,} test "
        f"photos, with Holm's correction for {len(pairs)} pairs, at 5%. It judges these trained "
        "networks; what chance does to a training, the seeds among the scores say.)"
    )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        show_chart(
            result_charts.pair_grid(pairs, variants),
            "By how many points each variant leads each other; the table has the numbers",
            pairs,
            "pairs",
        )
    with right:
        st.dataframe(
            pairs.sort_values("p_holm")[["a", "b", "only_a_right", "only_b_right", "p_holm"]],
            hide_index=True,
            alt="Each pair of variants, and the photos that only one of them answers rightly",
            column_config={
                "only_a_right": "only a right",
                "only_b_right": "only b right",
                "p_holm": st.column_config.NumberColumn("p, Holm", format="%.2g"),
            },
        )


def show_learning(histories: pd.DataFrame) -> None:
    """How each variant learned over its full run."""
    st.header("How they learned", anchor=False)
    measure = st.segmented_control(
        "Measure",
        list(MEASURES),
        default="accuracy",
        required=True,
        format_func=MEASURES.__getitem__,
        key="measure",
        label_visibility="collapsed",
    )
    st.markdown(
        "Full runs. Train photos are scored as they are trained on, cut and distorted; val photos "
        "as they are: so val may be ahead. A name clicked in the legend stands out."
    )
    for column, split in zip(st.columns(2, gap="medium"), ("train", "val"), strict=True):
        with column:
            show_chart(
                result_charts.learning_curves(histories, split, measure),
                f"{MEASURES[measure]} of each variant on {split} photos over the epochs",
                histories[histories["split"] == split],
                f"learning-{split}",
            )


def show_closely(reports: Reports, comparison: Comparison) -> None:
    """One variant's mistakes, species and calibration."""
    compared = {name: report for name, report in reports.items() if name in comparison["variants"]}
    variants = list(best_first(compared, checkpoints_folder()))
    if len(variants) > 1:
        variants.append(CONSENSUS)

    def words(name: str) -> str:
        if name == CONSENSUS:
            return "consensus: the mean of all probabilities"
        return variant_label(name, reports[name]["recipe"]["norm"])

    st.header("One variant close up", anchor=False)
    left, right = st.columns(2, gap="medium")
    with left:
        variant = selectbox_in_url("Variant", variants, "variant", variants[0], words)
    with right:
        species = selectbox_in_url(
            "Species",
            sorted(comparison["species"], key=common_name),
            "species",
            None,
            common_name,
            "All species",
        )
    assert variant is not None  # there is a default
    st.markdown(f"All of this is measured on the {comparison['photos']:,} test photos.")
    left, right = st.columns([3, 2], gap="medium")
    table = results.confusion(comparison, variant)
    with left:
        show_chart(
            result_charts.confusion_grid(table, variant),
            f"Confusion matrix of {variant}; the table of mistakes has its largest cells",
            table,
            f"confusion-{variant}",
        )
    with right:
        show_mistakes(table, species)
        bins = results.reliability(comparison, variant)
        show_chart(
            result_charts.reliability_diagram(bins, variant),
            f"Answers that are right against the probability that {variant} gives them",
            bins,
            f"reliability-{variant}",
        )
    left, right = st.columns([3, 2], gap="medium")
    with left:
        scores = results.species_scores(comparison, variant)
        show_chart(
            result_charts.species_dots(scores, variant),
            f"Recall and F1 of {variant} for each species",
            scores,
            f"species-{variant}",
        )
    with right:
        errors = results.calibration_errors(comparison, variants)
        show_chart(
            result_charts.calibration_bars(errors),
            "Calibration error of each variant before and after its temperature was fitted",
            errors,
            "calibration",
        )
        st.markdown(
            "By so much the raw probabilities are too high or too low, on average. One "
            "temperature a variant, fitted on val photos, corrects those that the app shows."
        )


def show_mistakes(confusion: pd.DataFrame, species: str | None) -> None:
    """The most frequent mistakes, or all that a species has to do with."""
    table = results.mistakes(confusion, common_name(species) if species else None)
    of = f"Mistakes with {common_name(species)}" if species else "Most frequent mistakes"
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
            "photos": st.column_config.NumberColumn(width=60),
        },
    )


def show_studies(folder: Path) -> None:
    """The report's other questions, a tab each: the answer, and the chart that shows it."""
    st.header("What else the report asked", anchor=False)
    drawings = {
        "optimizers": (studies.by_learning_rate, study_charts.learning_rates),
        "batch-size": (studies.by_batch_size, study_charts.batch_curves),
        "feature-quantiles": (studies.features_over_epochs, study_charts.feature_curves),
        "depth": (studies.by_depth, study_charts.depth_curves),
        "learning-rate": (studies.by_norm_and_rate, study_charts.norm_rates),
    }
    made = {name: studies.TITLES[name] for name in studies.made(folder)}
    tabs = tabs_in_url(list(made.values()), "study")
    for tab, (name, title) in zip(tabs, made.items(), strict=True):
        if not tab.open:
            continue
        with tab:
            study = attempt(partial(studies.read_study, folder, name))
            if study is None:
                continue  # the warning says why
            st.markdown(f"**{study.facts['question']}** {study.facts['answer']}")
            prepare, draw = drawings[name]
            table = prepare(study.table)
            if len(table):
                words = f"{title}: {study.facts['question']} The sentence above is the answer"
                show_chart(draw(table), words, table, f"study-{name}")
            st.markdown(f":small[{study.size} {NOTES[name]}]")


def attempt(read: Callable[[], Any]) -> Any:
    """What a reader returns, or None and a warning on the page where its file is damaged."""
    try:
        return read()
    except ResultsError as error:
        st.warning(str(error))
        return None


st.title("Results", anchor=False)
folder = checkpoints_folder()
reports, faults = results.read_reports(folder)
for fault in faults:
    st.warning(fault)
if not reports:
    st.error(
        "There are no results yet: `python -m trainer --norm bn --data PHOTOS` makes the first."
    )
    st.stop()
short_runs = attempt(lambda: results.read_short_runs(folder))
if short_runs is None:
    short_runs = results.NO_SHORT_RUNS
histories = attempt(lambda: results.read_histories(folder, reports))
comparison = attempt(lambda: results.read_comparison(folder))

if comparison is not None and (old := results.outdated(reports, comparison)):
    st.warning(
        f"The comparison is older than {results.in_words(old)}: {COMMAND} makes it anew. "
        "Until then what stands below about pairs, species and calibration is of other weights."
    )
if comparison is None:
    st.info(
        "Which differences are chance, which species are mistaken for which, and how far to "
        f"believe the probabilities, {COMMAND} measures."
    )
sections = {"Scores": partial(show_scores, reports, short_runs, comparison)}
if comparison is not None and comparison["pairs"]:
    sections["Differences"] = partial(show_pairs, reports, comparison)
if histories is not None and len(histories):
    sections["Learning"] = partial(show_learning, histories)
if comparison is not None and not reports.keys().isdisjoint(comparison["variants"]):
    sections["One variant"] = partial(show_closely, reports, comparison)
sections["Doubt"] = partial(attempt, partial(show_doubt, folder, reports))
sections["Shortcut"] = partial(attempt, partial(show_shortcut, folder))
if studies.made(folder):
    sections["Studies"] = partial(show_studies, folder)
tabs = tabs_in_url(list(sections), "tab")
for tab, show in zip(tabs, sections.values(), strict=True):
    if tab.open:  # the others are made when they are opened
        with tab:
            show()
