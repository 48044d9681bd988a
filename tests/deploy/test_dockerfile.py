"""What the Dockerfile does, done without a Docker engine: install, copy, start."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import requests
import yaml
from PIL import Image

from benchmarks.client.visitor import TIMEOUT, Visit, open_tab, serving
from tests.conftest import colour_checkpoint, encode

ROOT = Path(__file__).parents[2]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
COMPOSE = (ROOT / "docker-compose.yml").read_text()


def lines(instruction: str) -> list[str]:
    """What follows an instruction, for each time that the Dockerfile has it."""
    return re.findall(rf"^{instruction} (.+)$", DOCKERFILE, re.MULTILINE)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder of the image, with an environment of its own in `.venv`."""
    if sys.platform != "linux":
        pytest.skip("the image is for Linux")
    folder = tmp_path_factory.mktemp("image")
    for source, target in {tuple(line.split()) for line in lines("COPY") if "--from" not in line}:
        path = ROOT / source
        if path.is_dir():
            shutil.copytree(path, folder / target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(path, folder / target)
    for line in lines("RUN"):
        if "/venv" in line:  # the rest is about the system
            program, *arguments = line.replace("/venv", str(folder / ".venv")).split()
            program = sys.executable if program == "python" else program
            subprocess.run(
                [program, *(word for word in arguments if word != "--no-cache-dir")],
                cwd=folder,
                check=True,
                stdout=subprocess.DEVNULL,
            )
    if not list((folder / "checkpoints").glob("*/model.onnx")):
        colour_checkpoint(folder / "checkpoints" / "bn")
    return folder


@pytest.mark.slow
def test_the_image_has_no_torch(image: Path) -> None:
    command = [image / ".venv" / "bin" / "python", "-c", "import torch"]
    assert subprocess.run(command, capture_output=True).returncode == 1


@pytest.mark.slow
def test_the_images_command_answers_a_photo_where_nothing_can_be_written(image: Path) -> None:
    """Without privileges, with no home, on files that nobody may write."""
    subprocess.run(["chmod", "--recursive", "a-w,a+rX", image], check=True)
    for parent in (image, *image.parents[:2]):
        parent.chmod(parent.stat().st_mode | 0o055)  # pytest's folders are for their owner only
    before = listing(image)
    (start,) = lines("CMD")
    program, *arguments = json.loads(start)
    command = [str(image / ".venv" / "bin" / program), *arguments]
    if os.geteuid() == 0:
        # Still root by name: the interpreter, which decoders start as well, may lie in its home.
        command = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", *command]
    settings = dict(re.findall(r"(PYTHON\w+)=(\w+)", " ".join(lines("ENV"))))
    with serving(command, image, HOME="/nonexistent", **settings) as (host, _):
        (health,) = re.findall(r"urlopen\('http://localhost:8501(\S+)'\)", DOCKERFILE)
        assert requests.get(f"http://{host}{health}", timeout=TIMEOUT).ok
        with open_tab(host) as socket:
            visit = Visit(host, socket)
            visit.rerun()
            photo = Image.effect_noise((2000, 1500), 100).convert("RGB")
            large = encode(photo, quality=95)
            assert len(large) > 2**20  # what the server would write to a file while it arrives
            assert "Evidence for" in visit.upload("bird.jpg", large)
    assert listing(image) == before


def listing(folder: Path) -> list[tuple[str, int]]:
    """Every file, and when it was last changed."""
    return sorted((str(path), path.stat().st_mtime_ns) for path in folder.rglob("*"))


def test_the_image_does_not_run_as_root_and_has_no_package_manager() -> None:
    assert lines("USER") == ["plumage"]
    assert DOCKERFILE.index("USER plumage") < DOCKERFILE.index("CMD [")
    (removed,) = re.findall(r"^RUN rm -rf (.+?[^\\])$", DOCKERFILE, re.MULTILINE | re.DOTALL)
    assert {"/usr/bin/apt*", "/usr/bin/dpkg*", "/usr/local/bin/pip*"} <= set(removed.split())


def test_bases_are_pinned_to_a_full_version() -> None:
    bases = [line.split()[0] for line in lines("FROM")]
    bases += re.findall(r"^    image: (\S+/\S+)$", COMPOSE, re.MULTILINE)
    assert len(bases) == 3
    assert all(re.search(r":\d+\.\d+\.\d+-", base) for base in bases)


def test_every_service_is_read_only_without_rights_and_the_app_without_a_way_out() -> None:
    services = yaml.safe_load(COMPOSE)["services"]
    assert set(services) == {"app-1", "app-2", "proxy"}
    for service in services.values():
        assert service["read_only"]
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert {"mem_limit", "pids_limit", "tmpfs"} <= set(service)
    assert [name for name, service in services.items() if "ports" in service] == ["proxy"]
    networks = yaml.safe_load(COMPOSE)["networks"]
    assert all(list(services[f"app-{n}"]["networks"]) == ["inside"] for n in (1, 2))
    assert networks["inside"]["internal"]
