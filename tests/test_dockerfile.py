"""What the Dockerfile does, done without a Docker engine: install, copy, start."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.conftest import colour_checkpoint, draw_bird, encode
from tests.visitor import Visit, open_tab, serving

ROOT = Path(__file__).parents[1]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def lines(instruction: str) -> list[str]:
    """What follows an instruction, for each time that it stands in the Dockerfile."""
    return re.findall(rf"^{instruction} (.+)$", DOCKERFILE, re.MULTILINE)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder of the image, with an environment of its own in `.venv`."""
    folder = tmp_path_factory.mktemp("image")
    for source, target in (line.split() for line in lines("COPY")):
        path = ROOT / source
        if path.is_dir():
            shutil.copytree(path, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder / target)
    subprocess.run([sys.executable, "-m", "venv", folder / ".venv"], check=True)
    (install,) = (line for line in lines("RUN") if line.startswith("pip install"))
    arguments = [word for word in install.split()[1:] if word != "--no-cache-dir"]
    subprocess.run(
        [folder / ".venv" / "bin" / "pip", "--quiet", *arguments], cwd=folder, check=True
    )
    return folder


def test_the_image_has_no_torch(image: Path) -> None:
    command = [image / ".venv" / "bin" / "python", "-c", "import torch"]
    assert subprocess.run(command, capture_output=True).returncode == 1


def test_the_images_command_answers_a_photo_and_its_health_check_passes(image: Path) -> None:
    if not list((image / "checkpoints").glob("*/model.onnx")):
        colour_checkpoint(image / "checkpoints" / "bn")
    (start,) = lines("CMD")
    program, *arguments = json.loads(start)
    command = [str(image / ".venv" / "bin" / program), *arguments]
    with serving(command, image) as (host, _):
        (health,) = re.findall(r"urlopen\('http://localhost:8501(\S+)'\)", DOCKERFILE)
        assert requests.get(f"http://{host}{health}", timeout=20).ok
        with open_tab(host) as socket:
            visit = Visit(host, socket)
            visit.rerun()
            assert "What speaks for" in visit.upload("bird.jpg", encode(draw_bird("blue")))


def test_the_image_does_not_run_as_root() -> None:
    assert lines("USER") == ["plumage"]
    assert DOCKERFILE.index("USER plumage") < DOCKERFILE.index("CMD [")
