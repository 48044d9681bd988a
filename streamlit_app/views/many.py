"""Many photos: predictions to look through and correct, then a table or folders to download."""

from collections.abc import Sequence

import streamlit as st
from streamlit.proto.Common_pb2 import FileURLs
from streamlit.runtime.uploaded_file_manager import UploadedFile, UploadedFileRec

from plumage.folders import counted
from streamlit_app.inference.classifier import checkpoints_flag
from streamlit_app.inference.pool import classifiers
from streamlit_app.inference.table import rows_of
from streamlit_app.species import common_name, kinds, ood_label, plural
from streamlit_app.ui.examples import choose_all_examples, examples
from streamlit_app.ui.photo import Photo, keep_other
from streamlit_app.ui.session import forget_uploads
from streamlit_app.ui.state import (
    BATCH_SLOT,
    Served,
    choose_variant,
    or_fault,
    or_retry,
    variants_to_serve,
)
from streamlit_app.views.parts.downloads import show_downloads
from streamlit_app.views.parts.table import Rows, choose_rows, show_summary, show_table

# The server holds the photos in memory, a copy for each run of a page, and their ZIP while it is
# downloaded.
MAX_PHOTOS = 200
MAX_MEGABYTES = 400
# The summary is filled last: on a phone, the filters below it keep their place meanwhile.
STYLE = """<style>
@media (max-width: 640px) { .st-key-summary { min-height: 8.75rem; } }
</style>"""


def shell(served: Served) -> str:
    """The command that does the same for a folder."""
    flag = checkpoints_flag(served.classes.folder)
    return f"python -m streamlit_app.batch FOLDER --out {plural(served.classes.noun)}.csv{flag}"


def introduce(served: Served) -> None:
    """Say what the page gives and offer examples, until there are photos."""
    what = kinds(served.classes.noun)
    st.markdown(
        f"You get a table of {what}, confidences and dates to correct and to download, and the "
        f"photos in folders by their {what}."
    )
    if pictures := examples(next(iter(served.variants.values())).species):
        choose_all_examples(pictures, take)
    st.markdown(
        f":small[At most {MAX_PHOTOS} photos and {MAX_MEGABYTES} MB at a time, in memory only; a "
        "shell takes more:]"
    )
    st.code(shell(served), language=None, wrap_lines=True)


def within_limits(uploads: list[UploadedFile], served: Served) -> list[UploadedFile]:
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
            f"shell: `{shell(served)}`."
        )
    return taken


def reset() -> None:
    """Forget the photos of an earlier choice, and how many of them were refused."""
    st.session_state.refused = 0
    st.session_state.pop("left", None)


def classify(uploads: list[UploadedFile], variant: str, served: Served) -> Rows:
    """Each photo's row and thumbnail; rows of an earlier run of the page are kept."""
    asked = variant, served.version
    before = st.session_state.get("named", {})
    keys = [(upload.file_id, asked) for upload in uploads]
    named = {key: before[key] for key in keys if key in before}
    # A visitor who leaves meanwhile and comes back finds the rows that were done by then.
    st.session_state.named = named
    new = [upload for upload in uploads if (upload.file_id, asked) not in named]
    place = st.empty()
    files = [(upload.name, upload.getvalue) for upload in new]
    found = rows_of(served.variants[variant], files, thumbnails=True)
    if new:
        place.progress(0.0, "Waiting for other visitors' photos")
        with or_retry(place), or_fault(place), BATCH_SLOT.slot():
            place.progress(0.0, f"0 of {len(new)} photos")
            for done, (upload, row) in enumerate(zip(new, found, strict=True), 1):
                named[upload.file_id, asked] = row
                place.progress(done / len(new), f"{done} of {len(new)} photos")
        place.empty()
    return {upload.file_id: named[upload.file_id, asked] for upload in uploads}


def take(photos: Sequence[Photo]) -> None:
    """Make these the table's photos, as if they had been uploaded; for callbacks."""
    st.session_state.left = [
        UploadedFile(UploadedFileRec(name, name, "image/webp", data), FileURLs())
        for name, data, _ in photos
    ]


def open_photo(uploads: list[UploadedFile], opened: str) -> None:
    """Show one of the photos on Identify; coming back, the visitor finds the others."""
    upload = next(upload for upload in uploads if upload.file_id == opened)
    keep_other(Photo(upload.name, upload.getvalue()))
    st.session_state.left = uploads
    st.switch_page("views/identify.py")


st.html(STYLE)
st.title("Many photos", anchor=False)
served = variants_to_serve()
# Of this set of classes only.
label = f"corrections of {served.classes.label}"
st.session_state.corrections = st.session_state.setdefault(label, {})
left, right = st.columns([4, 3], gap="medium")
with left:
    uploads = st.file_uploader("Photos", accept_multiple_files=True, key="photos", on_change=reset)
    variant = choose_variant(served)
left_before = [] if uploads else st.session_state.get("left", [])
welcome = right.empty()  # gone before the predictions come
if not (uploads or left_before):
    classifiers.warm_up()  # the visitor is about to choose photos
    with welcome.container():
        introduce(served)
    st.stop()

if left_before:
    with right, st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(counted(len(left_before), "photo"))
        st.button("Remove", on_click=reset, type="tertiary")
uploads = within_limits(uploads or left_before, served)
rows = classify(uploads, variant, served)
with right:
    summary = st.container(key="summary")  # filled after the table, with its corrections
    summary.empty()  # a container without any content would have no height yet
known, noun = served.variants[variant].species, served.variants[variant].noun
species = [*sorted(common_name(name, known) for name in known), ood_label(len(known), noun)]
shown = choose_rows(rows, species, noun)
opened = show_table(rows, shown, species, noun) if shown else None
if not shown:
    st.info("No photos match these filters.")
with summary:
    show_summary(rows)
    show_downloads(rows, uploads, known, noun)
if opened:
    open_photo(uploads, opened)
