"""The Results page: the answer, then a tab for each subject."""

from functools import partial

import streamlit as st

from streamlit_app.results import border, ood, scores, studies
from streamlit_app.results.comparison import MODULE, outdated, read_comparison, read_leakage
from streamlit_app.results.reading import command, join_words, read_reports
from streamlit_app.ui.state import chosen_set, tabs_in_url
from streamlit_app.views.results_tabs import attempt
from streamlit_app.views.results_tabs.accuracy import show_accuracy
from streamlit_app.views.results_tabs.shortcut_learning import show_shortcut_learning
from streamlit_app.views.results_tabs.significance import show_significance
from streamlit_app.views.results_tabs.studies import show_studies
from streamlit_app.views.results_tabs.training import show_training
from streamlit_app.views.results_tabs.uncertainty import show_uncertainty
from streamlit_app.views.results_tabs.variant import show_variant

st.title("Results", anchor=False)
classes = chosen_set()
folder, results = classes.folder, classes.results
reports, faults = read_reports(folder)
reports = {name: reports[name] for name in classes.variants if name in reports}
for fault in faults:
    st.warning(fault)
if not reports:
    st.error(
        "There are no results yet: `python -m trainer --norm bn --data PHOTOS` makes the first."
    )
    st.stop()
short_runs = attempt(partial(scores.read_short_runs, results))
if short_runs is None:
    short_runs = scores.NO_SHORT_RUNS
histories = attempt(partial(scores.read_histories, folder, reports))
comparison = attempt(partial(read_comparison, results))
update = command(MODULE, folder)
if comparison is None:
    st.info(f"Pairwise tests, confusion and calibration are not measured yet: {update}.")
else:
    missing, changed = outdated(folder, reports, comparison)
    if missing:
        st.warning(f"{join_words(missing)} is not compared yet: {update} updates the comparison.")
    if changed:
        st.warning(
            f"{join_words(changed)} changed after the comparison: {update} updates it. "
            "Until then pairs, confusion and calibration are those of other weights."
        )
    found = attempt(partial(read_leakage, results))
    st.markdown(
        " ".join([f"**{comparison['sentence']}**", *([found["sentence"]] if found else [])])
    )

sections = {"Accuracy": partial(show_accuracy, reports, short_runs, comparison, folder)}
if comparison is not None and comparison["pairs"]:
    sections["Significance"] = partial(show_significance, reports, comparison)
if histories is not None and len(histories):
    sections["Training"] = partial(show_training, histories)
if comparison is not None and not reports.keys().isdisjoint(comparison["models"]):
    sections["Per variant"] = partial(show_variant, reports, comparison, classes)
if ood.is_measured(results) or len(ood.prediction_sets(reports)):
    sections["Uncertainty"] = partial(
        attempt, partial(show_uncertainty, results, reports, classes.noun)
    )
if border.is_measured(results):
    sections["Shortcut learning"] = partial(attempt, partial(show_shortcut_learning, results))
if studies.made(results):
    sections["Studies"] = partial(show_studies, results)
tabs = tabs_in_url(list(sections), "tab")
for tab, show in zip(tabs, sections.values(), strict=True):
    if tab.open:  # the others are made when they are opened
        with tab:
            show()
