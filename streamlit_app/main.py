"""The app: `streamlit run streamlit_app/main.py`."""

import sys
from pathlib import Path

import streamlit as st

# `streamlit run` puts this file's folder on the path; the package lies one up.
if (root := str(Path(__file__).parents[1])) not in sys.path:
    sys.path.insert(0, root)

st.set_page_config(page_title="Plumage", page_icon="🪶", layout="wide")
st.navigation(
    [
        st.Page("pages/identify.py", title="Identify", default=True),
        st.Page("pages/many.py", title="Many photos"),
        st.Page("pages/compare.py", title="Compare"),
        st.Page("pages/results.py", title="Results"),
    ],
    position="top",
).run()
