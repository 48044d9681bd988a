"""The app: `streamlit run streamlit_app/main.py [-- --checkpoints FOLDER]`."""

import argparse
import os
import sys
from pathlib import Path

import streamlit as st
from starlette.formparsers import MultiPartParser

# `streamlit run` puts this file's folder on the path; the package lies one up.
if (root := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.insert(0, root)

from streamlit_app.inference.limits import CORES_FAULT
from streamlit_app.ui.session import begin_session

# Photos stay in memory: the server would write those over 1 MB to a file while they arrive.
MultiPartParser.spool_max_size = 0

# Other checkpoints than the shipped ones; $PLUMAGE_CHECKPOINTS names them, too.
parser = argparse.ArgumentParser(add_help=False)
parser.add_argument("--checkpoints", nargs="?", type=Path)
if folder := parser.parse_known_args()[0].checkpoints:
    os.environ["PLUMAGE_CHECKPOINTS"] = str(folder)

st.set_page_config(page_title="Plumage", page_icon="🪶", layout="wide")
# A column paints nothing itself: hidden, it does not jump when its content changes. The names of
# many files scroll in a box, so that they do not lengthen the page. Lists and sliders take their
# whole height before the browser has loaded their script. Long names are broken anywhere.
WIDGETS = "bird erased gallery maximum method only set species stage strength variant".split()
st.html(
    f"<style>:is({', '.join(f'.st-key-{key}' for key in WIDGETS)}) {{ min-height: 4.25rem; }}"
    ".stColumn:has(> .stVerticalBlock > *) { visibility: hidden; }"
    ".stColumn > .stVerticalBlock > * { visibility: visible; }"
    "[data-testid=stFileChips] { position: relative; }"
    ".stHeading, .stMarkdown, .stHtml { overflow-wrap: anywhere; }"
    ".stMainBlockContainer.stMainBlockContainer { padding-block: 4.5rem 3rem; }</style>"
)
# Not in a folder named pages: until this file has run once, Streamlit would take each file in one
# for a page of its own, and a link to it would open without title and navigation.
page = st.navigation(
    [
        st.Page("views/identify.py", title="Identify", default=True),
        st.Page("views/many.py", title="Many photos"),
        st.Page("views/compare.py", title="Compare"),
        st.Page("views/explain.py", title="Explain"),
        st.Page("views/results.py", title="Results"),
    ],
    position="top",
)
# On a phone the menu is closed: its button says where one is.
st.html(
    "<style>@media (max-width: 640px) { [data-testid=stExpandSidebarButton] button::after,"
    f"button[data-testid=stExpandSidebarButton]::after {{ content: '{page.title}';"
    " padding-left: .5rem; font-weight: 600; } }</style>"
)
if CORES_FAULT:
    st.error(CORES_FAULT)
    st.stop()
begin_session(page.url_path)
page.run()
