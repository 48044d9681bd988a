"""The commands and the app on a machine without what Linux has and others lack."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.client.visitor import Visit, open_tab, serving
from tests.conftest import draw_bird, encode

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[1]
# Python runs it first, in each process. In /dev/shm there is no space, and /proc is not there.
SITECUSTOMIZE = """
import builtins, errno, io, os, sys

for name in ("posix_fallocate", "posix_fadvise", "fork", "forkpty", "sched_getaffinity"):
    if hasattr(os, name):
        delattr(os, name)
sys.modules["resource"] = None  # importing it raises ImportError

def missing(call):
    def checked(path, *words, **named):
        text = os.fsdecode(path) if isinstance(path, (str, bytes, os.PathLike)) else ""
        for folder, number in (("/proc", errno.ENOENT), ("/dev/shm", errno.ENOSPC)):
            if text == folder or text.startswith(folder + "/"):
                raise OSError(number, os.strerror(number), text)
        return call(path, *words, **named)
    return checked

def full(*_, **__):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

try:
    import _posixshmem
    _posixshmem.shm_open = full
except ImportError:
    pass
builtins.open = io.open = missing(io.open)
for name in ("open", "stat", "lstat", "listdir", "scandir", "readlink", "mkdir"):
    setattr(os, name, missing(getattr(os, name)))
"""
TINY = (
    "--norm bn --n 1 --image-size 32 --stored-size 40 --batch-size 8 --epochs 1 "
    "--learning-rate 0.05 --augmentation none"
)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a photo set, a folder of photos and what the commands add; no C++ compiler."""
    home = tmp_path_factory.mktemp("bare")
    (home / "sitecustomize.py").write_text(SITECUSTOMIZE, encoding="utf-8")
    for split in ("train", "val", "test"):
        for colour in ("red", "blue"):
            folder = home / "photos" / split / f"{colour.title()}-Bird"
            folder.mkdir(parents=True)
            for number in range(3):
                draw_bird(colour, (90 + number, 64)).save(folder / f"{number}.png")
    with pytest.MonkeyPatch.context() as changed:
        changed.setenv("PYTHONPATH", os.pathsep.join((str(home), str(ROOT))))
        changed.setenv("CXX", "no-such-compiler")
        changed.setenv("PLUMAGE_CHECKPOINTS", str(home / "runs"))
        run(home, f"trainer --data {home}/photos --output {home}/runs {TINY}")
        yield home


def run(home: Path, words: str) -> str:
    """Run a command of Plumage and return what it says."""
    done = subprocess.run(
        [sys.executable, "-m", *words.split()], cwd=home, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_the_machine_lacks_what_it_should(machine: Path) -> None:
    script = """
import importlib.util, os
assert not hasattr(os, "fork") and not hasattr(os, "posix_fallocate")
assert not os.path.exists("/proc/self/statm")
try:
    import resource
except ImportError:
    print("bare")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout == "bare\n", done.stderr


def test_the_trainer_makes_a_checkpoint(machine: Path) -> None:
    files = {file.name for file in (machine / "runs" / "bn").iterdir()}
    assert {"model.onnx", "saliency.onnx", "report.json"} <= files


def test_the_audit_writes_its_findings_and_a_clean_copy(machine: Path) -> None:
    words = f"trainer.audit {machine}/photos --output {machine}/runs --fix {machine}/clean"
    assert "manifest.csv" in run(machine, f"{words} --checkpoints {machine}/runs --variant bn")
    assert (machine / "clean" / "manifest.csv").exists()


def test_the_folder_command_names_the_photos(machine: Path) -> None:
    said = run(machine, f"streamlit_app.batch {machine}/photos --out {machine}/birds.csv")
    assert "18 photos named, 0 could not be read" in said


def test_the_app_names_a_photo(machine: Path) -> None:
    command = [sys.executable, "-m", "streamlit", "run", "streamlit_app/main.py"]
    command.append("--server.headless=true")
    with serving(command, ROOT) as (host, _), open_tab(host) as socket:
        visit = Visit(host, socket)
        visit.rerun()
        assert "Bird" in visit.upload("bird.png", encode(draw_bird(), "PNG"))
