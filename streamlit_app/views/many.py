"""Give many photos, look through the answers, correct them, and take a table or folders home."""

import io

import pandas as pd
import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from plumage.contract import COVERAGE
from streamlit_app.batch import (
    COLUMNS,
    Row,
    answer_files,
    cells,
    write_row,
)
from streamlit_app.inference.classifier import none_of
from streamlit_app.inference.photos import SUFFIXES
from streamlit_app.inference.pool import start_lanes
from streamlit_app.species import common_name
from streamlit_app.ui.session import forget_uploads, kept_for_download
from streamlit_app.ui.state import (
    TABLES,
    Stamp,
    choose_variant,
    if_not_busy,
    variants_to_serve,
)
from streamlit_app.ui.zips import write_zip

# The server holds the photos in memory, and each run of a page a copy of its own, and a ZIP of them
# while it is downloaded.
MOST_PHOTOS = 200
MOST_MEGABYTES = 400
ROW = 66  # pixels; long text is wrapped in rows of more than 64
UNREAD = "Not read"  # in the table and as the ZIP's folder, for files without a species
# By the upload's id: what the table says of it, and its thumbnail's address.
Rows = dict[str, tuple[Row, str]]
# On a phone the filters below the summary, which is filled last, keep their place meanwhile.
STYLE = """<style>
@media (max-width: 640px) { .st-key-summary { min-height: 8.75rem; } }
</style>"""
SHELL = "python -m streamlit_app.batch FOLDER --out birds.csv"


def introduce() -> None:
    """What there is to see before photos are chosen."""
    st.markdown(
        "You get a table with the bird on each photo, how sure that is, the second guess and when "
        "the photo was taken. Correct what is wrong, then download the table, or the photos "
        "sorted into a folder for each species."
    )
    st.markdown(
        f":small[At most {MOST_PHOTOS} photos and {MOST_MEGABYTES} MB at a time. They stay in "
        "memory and are forgotten when you close the page. For more, in a shell:]"
    )
    st.code(SHELL, language=None, wrap_lines=True)


def within_limits(uploads: list[UploadedFile]) -> list[UploadedFile]:
    """As many of the photos as one page takes, with a word about the others."""
    taken, size = [], 0
    for upload in uploads[:MOST_PHOTOS]:
        size += upload.size
        if size > MOST_MEGABYTES * 2**20:
            break
        taken.append(upload)
    forget_uploads(uploads[len(taken) :])
    refused = st.session_state.get("refused", 0) + len(uploads) - len(taken)
    st.session_state.refused = refused
    if refused:
        st.warning(
            f"This page takes {MOST_PHOTOS} photos and {MOST_MEGABYTES} MB at a time, so the "
            f"first {len(taken)} of your {len(taken) + refused} are in the table. For a whole "
            f"folder, please use a shell: `{SHELL}`."
        )
    return taken


def take_anew() -> None:
    """What was refused of an earlier choice of photos is no matter any more."""
    st.session_state.refused = 0


def name_birds(uploads: list[UploadedFile], variant: str, stamp: Stamp) -> Rows:
    """Each photo's row and thumbnail; photos that were answered before are not asked again."""
    asked = variant, stamp
    before = st.session_state.get("named", {})
    keys = [(upload.file_id, asked) for upload in uploads]
    named = {key: before[key] for key in keys if key in before}
    # Whoever goes away meanwhile and comes back finds what was named by then.
    st.session_state.named = named
    new = [upload for upload in uploads if (upload.file_id, asked) not in named]
    place = st.empty()
    files = [(upload.name, upload.getvalue) for upload in new]
    answers = answer_files(variants[variant], files, thumbnails=True)
    if new:
        place.progress(0.0, "Waiting for other visitors' photos")
        with if_not_busy(place), TABLES.one():
            place.progress(0.0, f"0 of {len(new)} photos")
            for done, (upload, found) in enumerate(zip(new, answers, strict=True), 1):
                named[upload.file_id, asked] = found
                place.progress(done / len(new), f"{done} of {len(new)} photos")
        place.empty()
    return {upload.file_id: named[upload.file_id, asked] for upload in uploads}


def choose_rows(rows: Rows, species: list[str]) -> list[str]:
    """The photos to show, of all species and sureness or of some; first those without either."""
    left, right = st.columns([4, 3], gap="medium")
    # All that there are, not all that were found: with other options the choice would be lost.
    chosen = left.multiselect("Show only these species", species, placeholder="All species")
    most = right.slider("Show only photos at most this sure", 5, 100, 100, 5, "%d%%")
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
    """The rows that were chosen, in a table that takes corrections."""
    key = f"table {hash((*shown, *rows.values()))}"
    if st.session_state.get("key") != key:
        # A table that changed under the hand that edits it would lose its order and its place.
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
            "Sure": st.column_config.ProgressColumn(
                width=108, format="%.1f%%", min_value=0, max_value=100
            ),
            "Second guess": st.column_config.TextColumn(width=166),
            "Note": st.column_config.TextColumn(
                width=310,
                help="What is wrong with the file, or the species among which the bird is "
                f"{100 * COVERAGE:.0f} times in 100",
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
                "Sure": None if row.probability is None else min(100 * row.probability, 99.9),
                "Second guess": row.second_species,
                # One species among which the bird is would say no more than the first column.
                "Note": row.error or (f"One of {row.one_of}" if ";" in row.one_of else ""),
                # Without its zone: what the clock in the camera showed.
                "Taken": pd.to_datetime(row.taken[:19] or None),
                "File": row.file,
            }
            for name in shown
            for row, picture in [rows[name]]
        ]
    )
    return table if any(table["Note"]) else table.drop(columns="Note")


def show_summary(rows: Rows) -> None:
    """How the photos fared, in one line."""
    unread = sum(bool(row.error) for row, _ in rows.values())
    words = [f"{len(rows) - unread} photos named" if len(rows) - unread != 1 else "1 photo named"]
    if unread:
        words.append(f"{unread} could not be read")
    if corrected := sum(name in rows for name in st.session_state.corrections):
        words.append(f"{corrected} corrected by hand")
    st.markdown(", ".join(words) + ".")


def show_downloads(rows: Rows, uploads: list[UploadedFile]) -> None:
    """All rows as a table, and all photos in folders, whatever is shown."""

    def birds_csv() -> str:
        file = io.StringIO(newline="")
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
variants, stamp = variants_to_serve()
st.session_state.setdefault("corrections", {})
left, right = st.columns([4, 3], gap="medium")
with left:
    uploads = st.file_uploader(
        "Photos of birds",
        type=list(SUFFIXES),
        accept_multiple_files=True,
        key="photos",
        on_change=take_anew,
    )
    variant = choose_variant(variants)
welcome = right.empty()  # gone before the answers come
if not uploads:
    start_lanes()  # the visitor is about to choose photos
    with welcome.container():
        introduce()
    st.stop()

uploads = within_limits(uploads)
rows = name_birds(uploads, variant, stamp)
with right:
    summary = st.container(key="summary")  # filled once the table has taken in the corrections
known = variants[variant].species
species = [*sorted(map(common_name, known)), none_of(known)]
shown = choose_rows(rows, species)
if shown:
    show_table(rows, shown, species)
else:
    st.info("No photo is like that.")
with summary:
    show_summary(rows)
    show_downloads(rows, uploads)
