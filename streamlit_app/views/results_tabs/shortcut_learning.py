"""The Shortcut learning tab: the effect of black corners on training photos."""

from pathlib import Path

import pandas as pd
import streamlit as st

from streamlit_app.markdown import escaped_name
from streamlit_app.results import border
from streamlit_app.results.reading import join_words
from streamlit_app.ui.state import show_chart


def show_shortcut_learning(folder: Path) -> None:
    """The experiment, a column for each augmentation; raises ResultsError."""
    found = border.read_border(folder)
    if found is None:
        return
    st.header("Black corners in the training photos", anchor=False)
    names = join_words(escaped_name(species) for species in found["species"])
    st.markdown(
        f"Many published photos of {names} are turned and have black corners. The same small "
        "network was trained on clean photos, and on a copy with such corners on these "
        f"{len(found['species'])} species."
    )
    verdicts, hottest = border.verdicts(found), border.hottest(found)
    tables = {way: border.accuracies(found, way) for way in verdicts}
    for column, (way, table) in zip(
        st.columns(len(tables), gap="medium"), tables.items(), strict=True
    ):
        words = f"trained on {border.TRAINING[way]}"
        with column:
            st.markdown(verdicts[way])
            show_chart(
                border.accuracy_by_photos(table, words),
                f"Accuracy of networks {words}; the table has the numbers",
                table,
                f"border-{way}",
            )
            cells = border.mean_heatmaps(found, way)
            show_chart(
                border.heatmap_grid(cells, words, hottest),
                f"Mean heatmaps of networks {words}; the text above says what they show",
                cells,
                f"border-heatmaps-{way}",
            )
    show_numbers(tables, len(found["species"]))


def show_numbers(tables: dict[str, pd.DataFrame], count: int) -> None:
    """All accuracies as a table."""
    together = pd.concat(
        [table.assign(way=border.TRAINING[way]) for way, table in tables.items()],
        ignore_index=True,
    )
    taken = f"taken for one of the {count}, %"
    with st.expander("The numbers as a table"):
        st.dataframe(
            pd.DataFrame(
                {
                    "photos": together.way,
                    "network": together.trained,
                    "test photos of": together.asked,
                    "accuracy, %": [
                        f"{100 * row.accuracy:.1f} ({100 * row.low:.1f} to {100 * row.high:.1f})"
                        for row in together.itertuples()
                    ],
                    taken: together.taken * 100,
                }
            ),
            hide_index=True,
            height="content",
            alt="Accuracy of each network on each kind of test photos",
            column_config={taken: st.column_config.NumberColumn(format="%.1f")},
        )
