"""Many photos: predictions to look through and correct, then a table or folders to download."""

import io

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from streamlit_app.inference.classifier import Version
from streamlit_app.inference.pool import classifiers
from streamlit_app.inference.table import BOM, COLUMNS, Row, cells, rows_of, write_row
from streamlit_app.species import common_name, ood_label
from streamlit_app.ui.session import forget_uploads, kept_for_download
from streamlit_app.ui.state import (
    BATCH_SLOT,
    choose_variant,
    or_fault,
    or_retry,
    variants_to_serve,
)
from streamlit_app.ui.zips import write_zip

# The server holds the photos in memory, a copy for each run of a page, and their ZIP while it is
# downloaded.
MAX_PHOTOS = 200
MAX_MEGABYTES = 400
ROW = 66  # pixels; long text is wrapped in rows of more than 64
UNREAD = "Not read"  # in the table and as the ZIP's folder, for files without a species
# By the upload's id: its row and its thumbnail, a data URL.
Rows = dict[str, tuple[Row, str]]
# The summary is filled last: on a phone, the filters below it keep their place meanwhile.
STYLE = """<style>
@media (max-width: 640px) { .st-key-summary { min-height: 8.75rem; } }
</style>"""
SHELL = "python -m streamlit_app.batch FOLDER --out birds.csv"


def introduce() -> None:
    """Say what the page gives, until there are photos."""
    st.markdown(
        "You get a table of your photos: the species, the confidence, the second guess and the "
        "date taken. Correct the species where they are wrong, then download the table, or the "
        "photos in a folder for each species."
    )
    st.markdown(
        f":small[At most {MAX_PHOTOS} photos and {MAX_MEGABYTES} MB at a time. They stay in "
        "memory and are deleted when you close the page. For more photos, use a shell:]"
    )
    st.code(SHELL, language=None, wrap_lines=True)


def within_limits(uploads: list[UploadedFile]) -> list[UploadedFile]:
    """The first photos, as many as a page takes; a warning counts the others."""
    taken, size = [], 0
    for upload in uploads[:MAX_PHOTOS]:
        size += upload.size
        if size > MAX_MEGABYTES * 2**20:
            break
        taken.append(upload)
    forget_uploads(uploads[len(taken) :])
    refused = st.session_state.get("refused", 0) + len(uploads) - len(taken)
    st.session_state.refused = refused
    if refused:
        st.warning(
            f"This page takes {MAX_PHOTOS} photos and {MAX_MEGABYTES} MB at a time, so the "
            f"first {len(taken)} of your {len(taken) + refused} are in the table. For more, use a "
            f"shell: `{SHELL}`."
        )
    return taken


def reset_refused() -> None:
    """Forget how many photos of an earlier choice were refused."""
    st.session_state.refused = 0


def classify(uploads: list[UploadedFile], variant: str, version: Version) -> Rows:
    """Each photo's row and thumbnail; rows of an earlier run of the page are kept."""
    asked = variant, version
    before = st.session_state.get("named", {})
    keys = [(upload.file_id, asked) for upload in uploads]
    named = {key: before[key] for key in keys if key in before}
    # A visitor who leaves meanwhile and comes back finds the rows that were done by then.
    st.session_state.named = named
    new = [upload for upload in uploads if (upload.file_id, asked) not in named]
    place = st.empty()
    files = [(upload.name, upload.getvalue) for upload in new]
    found = rows_of(variants[variant], files, thumbnails=True)
    if new:
        place.progress(0.0, "Waiting for other visitors' photos")
        with or_retry(place), or_fault(place), BATCH_SLOT.slot():
            place.progress(0.0, f"0 of {len(new)} photos")
            for done, (upload, row) in enumerate(zip(new, found, strict=True), 1):
                named[upload.file_id, asked] = row
                place.progress(done / len(new), f"{done} of {len(new)} photos")
        place.empty()
    return {upload.file_id: named[upload.file_id, asked] for upload in uploads}


def choose_rows(rows: Rows, species: list[str]) -> list[str]:
    """Choose the photos to show by species and confidence; unread files come first."""
    left, right = st.columns([4, 3], gap="medium")
    # All species, not those found only: with other options the choice would be lost.
    chosen = left.multiselect("Show only these species", species, placeholder="All species")
    most = right.slider("Maximum confidence", 5, 100, 100, 5, "%d%%")
    shown = [
        name
        for name, (row, _) in rows.items()
        if (not chosen or species_of(name, row) in chosen) and (row.probability or 0) <= most / 100
    ]
    return sorted(shown, key=lambda name: not rows[name][0].error)


def species_of(name: str, row: Row) -> str:
    """The species corrected by hand, or else the network's; UNREAD where there is neither."""
    return st.session_state.corrections.get(name, row.species or UNREAD)


def show_table(rows: Rows, shown: list[str], species: list[str]) -> None:
    """The rows to show, in a table that takes corrections."""
    key = f"table {hash((*shown, *rows.values()))}"
    if st.session_state.get("key") != key:
        # A table that changes while it is edited would lose its order and its place.
        st.session_state.key = key
        st.session_state.table = table_of(rows, shown)
    table = st.session_state.table
    unread = [UNREAD] if any(rows[name][0].error for name in shown) else []
    edited = st.data_editor(
        table,
        key=key,
        hide_index=True,
        row_height=ROW,
        height=min(ROW * len(table) + 40, 640),
        disabled=[column for column in table if column != "Species"],
        placeholder="",
        alt="Your photos, with the species of each",
        column_config={
            "Photo": st.column_config.ImageColumn(width=72),
            "Species": st.column_config.SelectboxColumn(
                width=166,
                options=species + unread,
                required=True,
                help="Click twice to correct it",
            ),
            "Confidence": st.column_config.ProgressColumn(
                width=108, format="%.1f%%", min_value=0, max_value=100
            ),
            "Second guess": st.column_config.TextColumn(width=166),
            "Note": st.column_config.TextColumn(
                width=310,
                help="The file's fault, or the prediction set: the bird is usually one of these",
            ),
            "Taken": st.column_config.DatetimeColumn(width=140, format="YYYY-MM-DD HH:mm"),
            "File": st.column_config.TextColumn(width=154),
        },
    )
    for name, chosen in zip(shown, edited["Species"], strict=True):
        if not pd.isna(chosen) and chosen != (rows[name][0].species or UNREAD):
            st.session_state.corrections[name] = chosen
        else:
            st.session_state.corrections.pop(name, None)


def table_of(rows: Rows, shown: list[str]) -> pd.DataFrame:
    """The rows as people read them; notes have a column where there are any."""
    table = pd.DataFrame(
        [
            {
                "Photo": picture,
                "Species": species_of(name, row),
                # Never rounded to certainty.
                "Confidence": None if row.probability is None else min(100 * row.probability, 99.9),
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
    return table if any(table["Note"]) else table.drop(columns="Note")


def show_summary(rows: Rows) -> None:
    """Counts of photos, in one line."""
    unread = sum(bool(row.error) for row, _ in rows.values())
    words = [f"{len(rows) - unread} photos named" if len(rows) - unread != 1 else "1 photo named"]
    if unread:
        words.append(f"{unread} could not be read")
    if corrected := sum(name in rows for name in st.session_state.corrections):
        words.append(f"{corrected} corrected by hand")
    st.markdown(", ".join(words) + ".")


def show_downloads(rows: Rows, uploads: list[UploadedFile]) -> None:
    """Buttons for all rows as a table and all photos in folders, whatever is shown."""

    def birds_csv() -> str:
        file = io.StringIO(newline="")
        file.write(BOM)
        write_row(file, [*COLUMNS, "corrected species"])
        for name, (row, _) in rows.items():
            write_row(file, [*cells(row), corrections.get(name)])
        return file.getvalue()

    def birds_zip() -> bytes:
        file = io.BytesIO()
        folders = (corrections.get(name, row.species or UNREAD) for name, (row, _) in rows.items())
        write_zip(
            file,
            ((folder, u.name, u.getvalue()) for folder, u in zip(folders, uploads, strict=True)),
        )
        return file.getvalue()

    corrections = dict(st.session_state.corrections)
    zipped = "birds.zip", "application/zip"
    with st.container(horizontal=True):
        st.download_button(
            "Download the table",
            birds_csv().encode(errors="replace"),
            "birds.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
        st.download_button(
            "Download the photos in folders",
            kept_for_download(birds_zip, *zipped),
            *zipped,
            on_click="ignore",
            icon=":material/folder_zip:",
        )


st.html(STYLE)
st.title("Which birds are these?", anchor=False)
variants, version = variants_to_serve()
st.session_state.setdefault("corrections", {})
left, right = st.columns([4, 3], gap="medium")
with left:
    uploads = st.file_uploader(
        "Photos of birds",
        accept_multiple_files=True,
        key="photos",
        on_change=reset_refused,
    )
    variant = choose_variant(variants)
welcome = right.empty()  # gone before the predictions come
if not uploads:
    classifiers.warm_up()  # the visitor is about to choose photos
    with welcome.container():
        introduce()
    st.stop()

uploads = within_limits(uploads)
rows = classify(uploads, variant, version)
with right:
    summary = st.container(key="summary")  # filled after the table, with its corrections
known = variants[variant].species
species = [*sorted(map(common_name, known)), ood_label(known)]
shown = choose_rows(rows, species)
if shown:
    show_table(rows, shown, species)
else:
    st.info("No photos match these filters.")
with summary:
    show_summary(rows)
    show_downloads(rows, uploads)
