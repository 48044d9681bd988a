"""What each variant knows of what it does not know: strangers, and sets of species."""

from pathlib import Path

import streamlit as st

from streamlit_app.results import ood as doubt
from streamlit_app.results import ood_charts as doubt_charts
from streamlit_app.results.scores import Reports
from streamlit_app.ui.state import show_chart


def show_doubt(folder: Path, reports: Reports) -> None:
    """Both questions, one below the other; raises ResultsError."""
    show_strangers(folder, reports)
    show_sets(reports)


def show_strangers(folder: Path, reports: Reports) -> None:
    """Whether photos of none of the species are noticed."""
    st.header("Does it notice a bird that it does not know?", anchor=False)
    found = doubt.read_strangers(folder)
    if found is None:
        st.markdown(f"Not measured yet: {doubt.STRANGERS} does it.")
        return
    photos = " and ".join(f"{count:,} of {kind}" for kind, count in found["photos"].items())
    st.markdown(
        "A photo that looks stranger to the network than 95 in 100 val photos counts as none of "
        f"its species. Measured with strangers that nothing was chosen with: {photos}."
    )
    table = doubt.against_strangers(found)
    left, right = st.columns(2, gap="medium")
    with left:
        show_chart(
            doubt_charts.stranger_areas(table),
            "How well each variant tells strangers from test photos; the table has the numbers",
            table,
            "strangers",
        )
    with right:
        show_chart(
            doubt_charts.strangers_accepted(table),
            "Which share of strangers each variant accepts; the table has the numbers",
            table,
            "strangers-accepted",
        )
    with st.expander("The numbers as a table"):
        st.dataframe(
            doubt.readable_strangers(table, reports),
            hide_index=True,
            alt="How each variant fares with strangers",
            column_config={
                "variant": st.column_config.TextColumn(pinned=True),
                **{
                    f"{kind} accepted, %": st.column_config.NumberColumn(format="%.1f")
                    for kind in (*found["photos"], "test photos")
                },
            },
        )
    scores = doubt.by_score(found)
    if len(scores):
        show_chart(
            doubt_charts.score_areas(scores),
            "How well each score of strangeness tells strangers from val photos",
            scores,
            "scores-of-strangeness",
        )
        st.markdown(
            ":small[The scores were compared with other strangers than those above. A tick is a "
            "variant, a larger mark their mean.]"
        )


def show_sets(reports: Reports) -> None:
    """Whether sets of species hold what they promise."""
    st.header("Do sets of species hold what they promise?", anchor=False)
    table = doubt.prediction_sets(reports)
    if table.empty:
        st.markdown(f"Not measured yet: {doubt.SETS} does it.")
        return
    st.markdown(
        "Where a variant is not sure it names several species, so many that the bird is among "
        "them on 90 or 95 in 100 val photos. On test photos it is among them this often."
    )
    left, right = st.columns(2, gap="medium")
    with left:
        show_chart(
            doubt_charts.sets_held(table),
            "How often each variant's sets hold the bird; the table has the numbers",
            table,
            "sets-held",
        )
    with right:
        show_chart(
            doubt_charts.set_sizes(table),
            "How many species each variant's sets have; the table has the numbers",
            table,
            "set-sizes",
        )
    with st.expander("The numbers as a table"):
        st.dataframe(
            doubt.readable_sets(table),
            hide_index=True,
            height="content",
            alt="How often each variant's sets hold the bird, and how large they are",
            column_config={
                "variant": st.column_config.TextColumn(pinned=True),
                "promised, %": st.column_config.NumberColumn(format="%.0f"),
                "held, %": st.column_config.NumberColumn(format="%.1f"),
                "species in a set": st.column_config.NumberColumn(format="%.2f"),
                "held least": st.column_config.TextColumn(
                    help="The species whose bird is in the set least often"
                ),
                "of it held, %": st.column_config.NumberColumn(format="%.0f"),
                "in its sets": st.column_config.NumberColumn(format="%.2f"),
            },
        )
