"""Several visitors at once, each uploading: the short form of `python -m benchmarks.load`."""

import sys
from pathlib import Path

import pytest

from benchmarks.load import growth, marked, photos, visits
from plumage.photos import read_photo
from tests.visitor import serving

ROOT = Path(__file__).parents[1]
VISITORS, SECONDS = 8, 10


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_visitors_at_once_get_their_own_photo_and_no_error() -> None:
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app/main.py"]
    with serving(command, ROOT) as (host, process):
        seen, memory = visits(host, process, photos(VISITORS), SECONDS, think=0.5)
    assert seen.errors == []
    assert seen.foreign == 0
    assert len(seen.seconds) >= VISITORS
    assert min(memory) > 0


def test_the_same_photo_is_another_file_each_time() -> None:
    (photo,) = photos(1)
    first, second = marked(photo, 1), marked(photo, 2)
    assert first != second
    assert read_photo(first).tobytes() == read_photo(second).tobytes()


def test_growth_is_counted_from_the_first_minute() -> None:
    assert growth([*range(50), *[100.0] * 50, *[110.0] * 50]) == pytest.approx(0.1)
