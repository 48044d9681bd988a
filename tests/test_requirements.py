"""The lock files hold exact versions within the ranges, and nothing of a machine."""

import re
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
RANGES = {
    "requirements.lock": ["requirements.txt"],
    "tests/requirements.lock": [
        "requirements.txt",
        "trainer/requirements.txt",
        "cluster-requirements.txt",
        "tests/requirements.txt",
    ],
}


def requirements(file: str) -> list[Requirement]:
    """The requirements of a file, without comments and without the files it names."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / file).read_text().splitlines())
    return [Requirement(line) for line in lines if line and not line.startswith("-r")]


def locked(file: str) -> dict[str, Requirement]:
    return {canonicalize_name(line.name): line for line in requirements(file)}


@pytest.mark.parametrize(
    ("lock", "ranges"), [(lock, file) for lock, files in RANGES.items() for file in files]
)
def test_each_required_package_is_locked_within_its_range(lock: str, ranges: str) -> None:
    versions = locked(lock)
    for required in requirements(ranges):
        name = canonicalize_name(required.name)
        assert name in versions, f"{required} of {ranges} is not in {lock}: run `make lock`"
        (pin,) = versions[name].specifier
        assert required.specifier.contains(pin.version), f"{pin} of {lock}: run `make lock`"


@pytest.mark.parametrize("lock", RANGES)
def test_a_lock_file_holds_exact_versions_and_no_address_or_path(lock: str) -> None:
    lines = (ROOT / lock).read_text().splitlines()
    lines = [line for line in lines if not line.startswith("#")]
    assert lines
    for line in lines:
        assert re.fullmatch(r"[a-z\d-]+==[\w.]+( ; [\w.'=!<>() ]+)?", line), line


def test_the_app_is_locked_to_the_tested_versions() -> None:
    everything = locked("tests/requirements.lock")
    for name, line in locked("requirements.lock").items():
        assert str(line) == str(everything[name])


def test_the_app_is_locked_without_torch() -> None:
    assert not {"torch", "triton"} & set(locked("requirements.lock"))


def test_cuda_libraries_are_locked_for_linux_only() -> None:
    names = [line for name, line in locked("tests/requirements.lock").items() if "nvidia" in name]
    assert names
    for line in names:
        assert line.marker
        assert not line.marker.evaluate({"sys_platform": "darwin"})
        assert not line.marker.evaluate({"sys_platform": "win32"})
