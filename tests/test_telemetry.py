"""Nothing that Plumage runs calls home or leaves a file in the home folder."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.client.visitor import Visit, open_tab, serving
from tests.conftest import colour_checkpoint, draw_bird, encode

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
STRACE = shutil.which("strace")
TINY = (
    "--norm bn --n 1 --image-size 32 --stored-size 40 --batch-size 8 --epochs 1 "
    "--learning-rate 0.05 --augmentation none"
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo set of two species, six photos each in each split."""
    root = tmp_path_factory.mktemp("set")
    for split in ("train", "val", "test"):
        for colour in ("red", "blue"):
            folder = root / split / f"{colour.title()}-Bird"
            folder.mkdir(parents=True)
            for number in range(6):
                draw_bird(colour, (90 + number, 64)).save(folder / f"{number}.png")
    return root


class Watched:
    """An empty home folder and, where strace is installed, a record of every connection."""

    def __init__(self, folder: Path) -> None:
        self.home, self.record = folder / "home", folder / "connections"
        self.home.mkdir()
        calls = "trace=connect,sendto,sendmsg,sendmmsg"
        # With -D the program is this process's child, and strace a grandchild.
        tracer = ["strace", "-D", "-f", "--seccomp-bpf", "-qq", "-e", calls, "-o", self.record]
        self.python = [*(map(str, tracer) if STRACE else ()), sys.executable]

    def check(self) -> None:
        """Fail on a file in the home folder and on an address that is not this machine's."""
        assert not [str(file) for file in self.home.rglob("*") if not file.is_dir()]
        if STRACE:
            assert not outside(self.record.read_text(errors="replace"))


def outside(record: str) -> list[str]:
    """The traced calls that leave the machine or ask for a name."""
    calls = [line for line in record.splitlines() if "AF_INET" in line]
    here = re.compile(r'"(127\.[\d.]+|::1|::ffff:127\.[\d.]+|0\.0\.0\.0|::)"')
    return [line for line in calls if not here.search(line) or "htons(53)" in line]


@pytest.fixture
def watched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Watched:
    """The environment of a newcomer: nothing in it, nor in the home folder, silences it."""
    watched = Watched(tmp_path)
    names = "CI ORT_RUNNING_UNIT_TESTS ORT_DISABLE_TELEMETRY RAY_USAGE_STATS_ENABLED"
    for name in (*names.split(), "STREAMLIT_BROWSER_GATHER_USAGE_STATS", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(watched.home))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return watched


@pytest.mark.parametrize(
    "arguments",
    [
        "streamlit_app.batch {photos} --out {home}/birds.csv",
        "trainer --data {photos} --output {home}/runs " + TINY,
        "trainer.audit {photos} --output {home}/runs",
    ],
    ids=lambda arguments: arguments.split()[0],
)
def test_a_command_calls_nobody_and_leaves_nothing_at_home(
    watched: Watched, photos: Path, tmp_path: Path, arguments: str
) -> None:
    words = arguments.format(photos=photos, home=tmp_path).split()
    done = subprocess.run(
        [*watched.python, "-m", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    watched.check()


def test_the_app_calls_nobody_and_leaves_nothing_at_home(watched: Watched, tmp_path: Path) -> None:
    colour_checkpoint(tmp_path / "checkpoints" / "bn")
    command = [*watched.python, "-m", "streamlit", "run", "streamlit_app/main.py"]
    command.append("--server.headless=true")
    checkpoints = str(tmp_path / "checkpoints")
    with (
        serving(command, ROOT, PLUMAGE_CHECKPOINTS=checkpoints) as (host, _),
        open_tab(host) as socket,
    ):
        visit = Visit(host, socket)
        visit.rerun()
        assert "Red Bird" in visit.upload("bird.png", encode(draw_bird(), "PNG"))
    watched.check()


@pytest.mark.parametrize("package", ["plumage", "streamlit_app", "trainer", "benchmarks"])
@pytest.mark.usefixtures("watched")
def test_importing_a_package_turns_telemetry_off(package: str) -> None:
    script = f"import {package}, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.stdout == "1\n", done.stderr
