"""What black corners on training photos do to a network, with the heatmaps that give it away."""

from pathlib import Path

import pandas as pd
import streamlit as st

from streamlit_app.markdown import escaped_name
from streamlit_app.results import border as shortcut
from streamlit_app.results import border_charts as shortcut_charts
from streamlit_app.results.scores import in_words
from streamlit_app.ui.state import show_chart


def show_shortcut(folder: Path) -> None:
    """The experiment, a column for each way of training; raises ResultsError."""
    st.header("What does a border in the training photos do?", anchor=False)
    found = shortcut.read_shortcut(folder)
    if found is None:
        st.markdown(f"Not measured yet: {shortcut.COMMAND} does it.")
        return
    names = in_words([escaped_name(species) for species in found["bordered"]])
    st.markdown(
        f"Many published photos of {names} are turned and have black corners. So the same small "
        "network was trained on clean photos, and on the same with such corners for these "
        f"{len(found['bordered'])}."
    )
    most = shortcut.hottest(found)
    tables = {way: shortcut.accuracies(found, way) for way in found["pairs"]}
    for column, (way, table) in zip(
        st.columns(len(tables), gap="medium"), tables.items(), strict=True
    ):
        words = f"trained on {shortcut.WAYS[way]}"
        with column:
            st.markdown(shortcut.verdict(found, way))
            show_chart(
                shortcut_charts.accuracy_by_photos(table, words),
                f"Accuracy of networks {words}; the table has the numbers",
                table,
                f"shortcut-{way}",
            )
            cells = shortcut.mean_heatmaps(found, way)
            show_chart(
                shortcut_charts.heatmap_grid(cells, words, most),
                f"Mean heatmaps of networks {words}; the text above says what they show",
                cells,
                f"shortcut-heatmaps-{way}",
            )
    show_numbers(tables, len(found["bordered"]))


def show_numbers(tables: dict[str, pd.DataFrame], count: int) -> None:
    """All of it as a table."""
    together = pd.concat(
        [table.assign(way=shortcut.WAYS[way]) for way, table in tables.items()], ignore_index=True
    )
    with st.expander("The numbers as a table"):
        st.dataframe(
            pd.DataFrame(
                {
                    "way": together.way,
                    "network": together.trained,
                    "test photos of": together.asked,
                    "accuracy, %": [
                        f"{100 * row.accuracy:.1f} ({100 * row.low:.1f} to {100 * row.high:.1f})"
                        for row in together.itertuples()
                    ],
                    f"answered one of the {count}, %": together.taken * 100,
                }
            ),
            hide_index=True,
            height="content",
            alt="Accuracy of each network on each kind of test photos",
            column_config={
                f"answered one of the {count}, %": st.column_config.NumberColumn(format="%.1f")
            },
        )
