"""Several visitors at once, each uploading, as in `python -m benchmarks.load`."""

import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from benchmarks.client.visitor import Visit, open_tab, serving
from benchmarks.load import LATER, growth, look, marked, photos, upload_and_look
from plumage.photos import read_photo

ROOT = Path(__file__).parents[2]
VISITORS = 8


@pytest.mark.slow
def test_visitors_at_once_get_their_own_photo_on_every_page_and_no_error() -> None:
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app/main.py"]
    files = photos(VISITORS)

    def shapes(photo: bytes) -> list[float]:
        with open_tab(host) as socket:
            visit = Visit(host, socket)
            visit.run()
            seen = [upload_and_look(visit, marked(photo, number)) for number in range(2)]
            seen += [look(visit, visit.go_to(page)) for page in LATER]
        return [picture.height / picture.width for picture in seen]

    with serving(command, ROOT) as (host, _), ThreadPoolExecutor(VISITORS) as pool:
        for photo, found in zip(files, pool.map(shapes, files), strict=True):
            own = read_photo(photo)
            assert found == pytest.approx([own.height / own.width] * 4, abs=0.002)


def test_the_same_photo_is_another_file_each_time() -> None:
    (photo,) = photos(1)
    first, second = marked(photo, 1), marked(photo, 2)
    assert first != second
    assert read_photo(first).tobytes() == read_photo(second).tobytes()


def test_growth_is_counted_from_the_first_minute() -> None:
    assert growth([*range(50), *[100.0] * 50, *[110.0] * 50]) == pytest.approx(0.1)
