"""The app as a browser meets it: a server process, a session, a file sent over HTTP."""

import io
import os
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from PIL import Image

from benchmarks.client.visitor import TIMEOUT, Visit, open_tab, serving, wait_until
from tests.conftest import colour_checkpoint, draw_bird, encode

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "streamlit", "run", "streamlit_app/main.py"]
STAYS = 1  # seconds that the server waits for a visitor to come back

needs_proc = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="processes are looked at in /proc"
)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """The running app's host:port and process number."""
    folder = tmp_path_factory.mktemp("served")
    colour_checkpoint(folder / "bn")
    command = [*COMMAND, f"--server.disconnectedSessionTTL={STAYS}"]
    with serving(command, ROOT, PLUMAGE_CHECKPOINTS=str(folder)) as running:
        yield running


@pytest.fixture
def visit(server: tuple[str, int]) -> Iterator[Visit]:
    host, _ = server
    with open_tab(host) as socket:
        visit = Visit(host, socket)
        visit.rerun()
        yield visit


def test_an_uploaded_photo_is_answered_with_its_species_and_heatmap(visit: Visit) -> None:
    shown = visit.upload("bird.jpg", encode(draw_bird("blue", (640, 480))))
    assert "Blue Bird, 85%" in shown
    (address,) = set(re.findall(r"/media/\w+\.jpe?g", shown))
    picture = visit.http.get(f"http://{visit.host}{address}", timeout=TIMEOUT)
    assert Image.open(io.BytesIO(picture.content)).size == (640, 480)


def test_a_file_that_is_no_photo_gets_a_sentence_and_no_traceback(visit: Visit) -> None:
    shown = visit.upload("bird.jpg", b"no photo at all")
    assert "not a photo that can be read" in shown
    assert "Traceback" not in shown


def test_two_visitors_each_get_their_own_answer(visit: Visit) -> None:
    with open_tab(visit.host) as socket:
        other = Visit(visit.host, socket)
        other.rerun()
        assert "Red Bird, 85%" in other.upload("bird.jpg", encode(draw_bird("red")))
    assert "Blue Bird, 85%" in visit.upload("bird.jpg", encode(draw_bird("blue")))


def test_nothing_of_a_visit_is_left_once_it_is_over(server: tuple[str, int]) -> None:
    host, _ = server
    wait_until(lambda: kept(host) == (0, 0))
    with open_tab(host) as socket:
        visit = Visit(host, socket)
        visit.rerun()
        visit.upload("bird.jpg", encode(draw_bird("blue", (640, 480))))
        wait_until(lambda: all(kept(host)))  # its numbers are some seconds old
    wait_until(lambda: kept(host) == (0, 0))


def test_of_a_photo_that_another_takes_the_place_of_nothing_is_left(visit: Visit) -> None:
    first, second = (encode(draw_bird(colour, (640, 480)), "PNG") for colour in ("red", "blue"))
    visit.upload("bird.png", first)
    wait_until(lambda: kept(visit.host)[0] == len(first))
    visit.upload("bird.png", second)
    wait_until(lambda: kept(visit.host)[0] == len(second))


def kept(host: str) -> tuple[int, int]:
    """Bytes of uploads, and of pictures to be shown, that the server holds."""
    text = requests.get(f"http://{host}/_stcore/metrics", timeout=TIMEOUT).text
    uploads, media = (
        sum(float(line.split()[-1]) for line in text.splitlines() if f'"{store}"' in line)
        for store in ("UploadedFileManager", "st_memory_media_file_storage")
    )
    return int(uploads), int(media)


def test_an_upload_from_another_site_is_refused(visit: Visit) -> None:
    response, _ = visit.put("bird.jpg", encode(draw_bird()), {})
    assert response.status_code == 403


def with_children(process: int) -> list[int]:
    """The process and those that it started."""
    children = Path(f"/proc/{process}/task").glob("*/children")
    return [process, *(int(child) for file in children for child in file.read_text().split())]


@needs_proc
def test_after_large_photos_the_server_and_its_decoders_are_under_400_mb(
    visit: Visit, server: tuple[str, int]
) -> None:
    for shade in range(0, 250, 50):
        visit.upload("phone.jpg", encode(Image.new("RGB", (4032, 3024), (shade, 90, 90))))
    resident = 0
    for process in with_children(server[1]):
        status = Path(f"/proc/{process}/status").read_text()
        resident += int(re.findall(r"VmRSS:\s+(\d+) kB", status)[0])
    assert resident < 400_000


@needs_proc
def test_a_decoder_that_is_killed_costs_no_visitor_an_answer(
    visit: Visit, server: tuple[str, int]
) -> None:
    assert "Blue Bird, 85%" in visit.upload("bird.jpg", encode(draw_bird("blue")))
    _, *decoders = with_children(server[1])
    assert decoders
    for process in decoders:
        os.kill(process, signal.SIGKILL)
    assert "Red Bird, 85%" in visit.upload("bird.jpg", encode(draw_bird("red")))


@needs_proc
def test_the_server_ends_when_asked_to_and_leaves_no_decoder_behind(tmp_path: Path) -> None:
    colour_checkpoint(tmp_path / "bn")
    with serving(COMMAND, ROOT, PLUMAGE_CHECKPOINTS=str(tmp_path)) as (host, process):
        with open_tab(host) as socket:
            Visit(host, socket).rerun()
        _, *decoders = with_children(process)
        assert decoders
    wait_until(lambda: not any(Path(f"/proc/{decoder}").exists() for decoder in decoders))
