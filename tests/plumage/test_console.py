import os
import subprocess
import sys
from pathlib import Path

import pytest

NAME = "ഓലേഞ്ഞാലി \udce9"  # Malayalam, and a byte that is no UTF-8


@pytest.mark.parametrize("package", ["plumage", "streamlit_app", "trainer"])
@pytest.mark.parametrize("encoding", ["cp1252", "ascii", "utf-8"])
def test_any_name_is_printed_to_any_console(package: str, encoding: str) -> None:
    script = f"import {package}; print({NAME!a})"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"PYTHONIOENCODING": encoding, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        encoding=encoding,
    )
    assert done.returncode == 0, done.stderr
    assert NAME.encode(encoding, "backslashreplace").decode(encoding) == done.stdout.rstrip()
