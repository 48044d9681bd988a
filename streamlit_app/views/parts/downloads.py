"""Downloads of many photos: a table, and a ZIP of folders to train on."""

import io
from collections.abc import Sequence

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from streamlit_app.inference.table import BOM, COLUMNS, cells, write_row
from streamlit_app.species import common_name, ood_label, plural
from streamlit_app.ui.session import kept_for_download
from streamlit_app.ui.zips import write_zip
from streamlit_app.views.parts.table import UNREAD, Rows

# The ZIP's folders: the classes below the first are training data, the second holds the rest.
CLASSES, APART = "train", "apart"
NONE_OF_THESE = "none of these"


def show_downloads(
    rows: Rows, uploads: list[UploadedFile], known: Sequence[str], noun: str
) -> None:
    """Buttons for all rows as a table and all photos in folders, whatever is shown."""

    def as_csv() -> str:
        file = io.StringIO(newline="")
        file.write(BOM)
        write_row(file, [*COLUMNS, "corrected species"])
        for name, (row, _) in rows.items():
            write_row(file, [*cells(row), corrections.get(name)])
        return file.getvalue()

    def as_zip() -> bytes:
        file = io.BytesIO()
        chosen = (corrections.get(name, row.species or UNREAD) for name, (row, _) in rows.items())
        folders = map(folder_of.__getitem__, chosen)
        write_zip(
            file,
            ((folder, u.name, u.getvalue()) for folder, u in zip(folders, uploads, strict=True)),
        )
        return file.getvalue()

    corrections = dict(st.session_state.corrections)
    # By what the table calls a class: the folder of its own name.
    folder_of = {common_name(species, known): (CLASSES, species) for species in known}
    folder_of |= {
        ood_label(len(known), noun): (APART, NONE_OF_THESE),
        UNREAD: (APART, UNREAD.lower()),
    }
    file_name = plural(noun)
    zipped = f"{file_name}.zip", "application/zip"
    with st.container(horizontal=True):
        st.download_button(
            "Download the table",
            as_csv().encode(errors="replace"),
            f"{file_name}.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            "Download the photos in folders",
            kept_for_download(as_zip, *zipped),
            *zipped,
            on_click="ignore",
            icon=":material/folder_zip:",
        )
