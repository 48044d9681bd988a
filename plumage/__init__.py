"""Code that the trainer and the app share.

Importing it turns the libraries' telemetry off and lets any name be printed.
"""

import io
import os
import sys

# onnxruntime 1.29 and later look up a host and leave files in the home folder unless told not to
# before their import. The packages of Plumage import this one first, and workers inherit the
# environment. Streamlit reads its setting from .streamlit/config.toml, where it starts in this
# folder, and from here where the app starts it.
os.environ |= {
    "ORT_DISABLE_TELEMETRY": "1",
    "RAY_USAGE_STATS_ENABLED": "0",
    "STREAMLIT_BROWSER_GATHER_USAGE_STATS": "false",
}

# A console or a log may lack the letters of a class or a file: they are escaped, as in errors.
if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
    sys.stdout.reconfigure(errors="backslashreplace")
