"""The Studies tab: the course report's other questions, a tab each."""

from functools import partial
from pathlib import Path

import streamlit as st

from streamlit_app.results import studies, study_charts
from streamlit_app.ui.state import show_chart, tabs_in_url
from streamlit_app.views.results_tabs import attempt

NOTES = {
    "optimizers": "A mark is the mean over seeds; one that diverged in any seed is drawn at 0.",
    "batch-size": "At the best learning rate of each; a bar goes from the worst seed to the best.",
    "feature-quantiles": "After the last ReLU, of the same val photos each time, in eval mode.",
    "depth": "At the better learning rate of each norm and depth; a bar goes from the worst seed "
    "to the best, and a run that diverged counts as 0.",
    "learning-rate": "One run each; one that diverged is drawn at 0.",
}


def show_studies(folder: Path) -> None:
    """The answer to each question and its chart."""
    st.header("Studies", anchor=False)
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
