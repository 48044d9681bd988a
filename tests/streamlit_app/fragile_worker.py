"""The worker where some files break the decoder, as their first word says."""

import ctypes
import time
from pathlib import Path

from plumage import photos
from streamlit_app.inference import worker

opened = photos._opened


def break_or_open(data: bytes) -> object:
    if data.startswith(b"crash"):
        ctypes.string_at(0)  # a segmentation fault
    if data.startswith(b"spin"):
        sum(range(10**12))  # a loop in C that lets no Python run
    if data.startswith(b"sleep"):
        if file := data.removeprefix(b"sleep"):
            Path(file.decode()).touch()  # the test that waits for this moment sees it
        time.sleep(100)
    if data.startswith(b"greedy"):
        bytearray(2**30)
    return opened(data)


photos._opened = break_or_open
worker.MAX_CPU_SECONDS, worker.MAX_SECONDS = 0.5, 3.0
worker.main()
