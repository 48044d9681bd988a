"""The table of many photos: what is shown of it, and what is corrected by hand."""

import pandas as pd
import streamlit as st

from plumage.folders import counted
from streamlit_app.inference.table import Row
from streamlit_app.species import kind, kinds

ROW = 66  # pixels; long text is wrapped in rows of more than 64
UNREAD = "Not read"  # in the table, for files without a species
# By the upload's id: its row and its thumbnail, a data URL.
Rows = dict[str, tuple[Row, str]]


def choose_rows(rows: Rows, species: list[str], noun: str) -> list[str]:
    """Choose the photos to show by species and confidence; unread files come first."""
    left, right = st.columns([4, 3], gap="medium")
    # All species, not those found only: with other options the choice would be lost.
    chosen = left.multiselect(
        f"Show only these {kinds(noun)}", species, placeholder=f"All {kinds(noun)}", key="only"
    )
    most = right.slider("Maximum confidence", 5, 100, 100, 5, "%d%%", key="maximum")
    shown = [
        name
        for name, (row, _) in rows.items()
        if (not chosen or species_of(name, row) in chosen) and (row.probability or 0) <= most / 100
    ]
    return sorted(shown, key=lambda name: not rows[name][0].error)


def species_of(name: str, row: Row) -> str:
    """The species corrected by hand, or else the network's; UNREAD where there is neither."""
    return st.session_state.corrections.get(name, row.species or UNREAD)


def show_table(rows: Rows, shown: list[str], species: list[str], noun: str) -> str | None:
    """The rows to show, in a table that takes corrections; returns the one to be opened."""
    named = kind(noun).capitalize()
    key = f"table {hash((*shown, *rows.values()))}"
    if st.session_state.get("key") != key:
        # A table that changes while it is edited would lose its order and its place.
        st.session_state.key = key
        st.session_state.table = table_of(rows, shown, named)
    table = st.session_state.table
    unread = [UNREAD] if any(rows[name][0].error for name in shown) else []
    edited = st.data_editor(
        table,
        key=key,
        hide_index=True,
        row_height=ROW,
        height=min(ROW * len(table) + 40, 640),
        disabled=[column for column in table if column != named],
        placeholder="",
        alt=f"Your photos, with the {kind(noun)} of each",
        column_config={
            "Photo": st.column_config.ImageColumn(width=72),
            named: st.column_config.SelectboxColumn(
                width=166,
                options=species + unread,
                required=True,
                help="Click twice to correct it",
            ),
            "Confidence": st.column_config.ProgressColumn(
                width=108, format="%.1f%%", min_value=0, max_value=100
            ),
            "Open": st.column_config.ButtonColumn("", width=90, key="open"),
            "Second guess": st.column_config.TextColumn(width=166),
            "Note": st.column_config.TextColumn(
                width=310,
                help="The file's fault, or the prediction set: it is usually one of these",
            ),
            "Taken": st.column_config.DatetimeColumn(width=140, format="YYYY-MM-DD HH:mm"),
            "File": st.column_config.TextColumn(width=154),
        },
    )
    for name, chosen in zip(shown, edited[named], strict=True):
        if not pd.isna(chosen) and chosen != (rows[name][0].species or UNREAD):
            st.session_state.corrections[name] = chosen
        else:
            st.session_state.corrections.pop(name, None)
    row = clicked_row()
    return None if row is None else shown[row]


def clicked_row() -> int | None:
    """The number of the row whose button was pressed, if any."""
    clicked = st.session_state.get("open")
    return clicked.row if clicked else None


def table_of(rows: Rows, shown: list[str], named: str) -> pd.DataFrame:
    """The rows as people read them; notes and dates have a column where there are any.

    named: heading of the classes.
    """
    table = pd.DataFrame(
        [
            {
                "Photo": picture,
                named: species_of(name, row),
                # Never rounded to certainty.
                "Confidence": None if row.probability is None else min(100 * row.probability, 99.9),
                "Open": None if row.error else "Open",
                "Second guess": row.second_species,
                "Note": row.error
                or (f"Usually one of: {row.prediction_set}" if ";" in row.prediction_set else ""),
                # Without its zone: as the camera's clock showed it.
                "Taken": pd.to_datetime(row.taken[:19] or None),
                "File": row.file,
            }
            for name in shown
            for row, picture in [rows[name]]
        ]
    )
    told = table.replace("", None).notna().any()
    empty = [name for name in ("Note", "Taken") if not told[name]]
    return table.drop(columns=empty)


def show_summary(rows: Rows) -> None:
    """Counts of photos, in one line."""
    unread = sum(bool(row.error) for row, _ in rows.values())
    words = [f"{counted(len(rows) - unread, 'photo')} named"]
    if unread:
        words.append(f"{unread} could not be read")
    if corrected := sum(name in rows for name in st.session_state.corrections):
        words.append(f"{corrected} corrected by hand")
    st.markdown(", ".join(words) + ".")
