import json
from pathlib import Path

import pytest
from PIL import Image

from tests.trainer.conftest import SPECIES, copied
from trainer.explain.__main__ import main
from trainer.explain.attribution import METHODS

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def explained(trained, drawn_photos, tmp_path_factory) -> tuple[Path, list[str]]:
    """A folder with an explained checkpoint and its gallery, and the command's arguments."""
    home = tmp_path_factory.mktemp("explained")
    copied(trained, home / "checkpoints", "nn")
    arguments = ["--data", str(drawn_photos), "--output", str(home / "runs"), "--photos", "6"]
    arguments += ["--checkpoints", str(home / "checkpoints"), "--species", "Red-Ring"]
    assert main(arguments) == 0
    return home, arguments


def test_every_method_and_stage_is_measured_with_intervals(explained):
    home, _ = explained
    measured = json.loads((home / "checkpoints" / "results" / "explain.json").read_text())[
        "variants"
    ]["nn"]
    assert measured["photos"] == 6
    assert len(measured["methods"]) == 1 + 3 * len(METHODS)
    for found in measured["methods"]:
        for score in ("deletion", "insertion"):
            assert 0 <= found[score]["low"] <= found[score]["value"] <= found[score]["high"] <= 1
    assert sum(measured["confusion"]["Red-Ring"].values()) == 8
    assert list(measured["confusion"]) == ["Red-Ring"]
    assert measured["verdict"] in ("faithful", "unproven")
    assert "`nn`" in measured["sentence"]


def test_the_gallery_has_each_photo_with_both_heatmaps(explained):
    home, _ = explained
    folder = home / "checkpoints" / "results" / "gallery" / "nn"
    entries = json.loads((folder / "gallery.json").read_text())
    assert {entry["species"] for entry in entries} == {"Red-Ring"}
    assert sum(entry["kind"] == "doubtful" for entry in entries) == 3
    for entry in entries:
        assert (entry["answered"] == "Red-Ring") == (entry["kind"] == "right") or (
            entry["kind"] == "doubtful"
        )
        assert entry["answered"] in SPECIES
        stem = Path(entry["photo"]).stem
        sizes = {
            Image.open(folder / f"{stem}{part}.jpg").size for part in ("", "-answered", "-true")
        }
        assert sizes == {(40, 40)}
