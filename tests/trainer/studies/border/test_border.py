import json
import shutil
from dataclasses import replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from plumage.folders import SPLITS
from tests.trainer.conftest import SPECIES
from trainer.data.photo_folder import PhotoFolder
from trainer.report.__main__ import render
from trainer.report.border import draw
from trainer.run_folder import TrainingError
from trainer.splits import open_photos
from trainer.studies.border import __main__ as command
from trainer.studies.border.__main__ import main
from trainer.studies.border.measure import in_corners
from trainer.studies.border.photos import BLACK, MIRRORED, turned, turns, write_bordered


@pytest.fixture(scope="module")
def measured(tiny_recipe, drawn_photos, tmp_path_factory) -> tuple[Path, list[str]]:
    """A folder with the runs and their measures, and the command's arguments."""
    home = tmp_path_factory.mktemp("shortcut")
    arguments = ["--data", str(drawn_photos), "--output", str(home / "runs")]
    arguments += ["--checkpoints", str(home), "--species", "Red-Ring"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(command, "BASE", replace(tiny_recipe, norm="nn", epochs=1))
        patch.setattr(command, "WAYS", ({"augmentation": "none", "stored_size": 32},))
        assert main(arguments) == 0
        before = (home / "results" / "border.json").read_text()
        assert main(arguments) == 0
        assert (home / "results" / "border.json").read_text() == before  # nothing is trained twice
    return home, arguments


@pytest.mark.slow
def test_both_networks_are_asked_about_every_version_of_every_group(measured):
    result = json.loads((measured[0] / "results" / "border.json").read_text())
    versions, groups = ("clean", "published", "black", "mirrored"), ("all", "bordered", "others")
    rows = {(row["trained"], row["asked"], row["group"]): row for row in result["rows"]}
    assert list(rows) == list(product(("clean", "bordered"), versions, groups))
    for row in rows.values():
        assert row["augmentation"] == "none"
        assert 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1
        assert 0 <= row["taken_low"] <= row["taken"] <= row["taken_high"] <= 1
    for trained in ("clean", "bordered"):
        # The copy leaves the other species as they are.
        same = [rows[trained, asked, "others"] | {"asked": ""} for asked in versions[:2]]
        assert same[0] == same[1]
    assert [(row["asked"], row["group"]) for row in result["changes"]] == list(
        product(versions, groups)
    )
    assert len(result["heatmaps"]) == 2 * 2
    for heatmap in result["heatmaps"]:
        assert np.shape(heatmap["map"]) == (8, 8)
        assert np.mean(heatmap["map"]) == pytest.approx(1, abs=1e-3)
    assert [row["augmentation"] for row in result["verdicts"]] == ["none"]
    assert 0 < result["corner_share"] < 0.3


@pytest.mark.slow
def test_the_measures_make_a_section_with_its_pictures(measured, tmp_path):
    home = measured[0]
    text = render("shortcut-learning.md.j2", home)
    draw(json.loads((home / "results" / "border.json").read_text()), tmp_path)
    pictures = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.png")]
    assert len(pictures) == 4
    assert all(f"({name})" in text for name in pictures)
    assert Image.open(tmp_path / pictures[0]).size == (96, 96)


def test_most_photos_of_the_species_named_are_turned_and_no_others(drawn_photos, tmp_path):
    source, copy = PhotoFolder(drawn_photos), tmp_path / "copy"
    write_bordered(source, ("Blue-Disc", "Red-Ring"), copy)
    angles = turns(source, ("Blue-Disc", "Red-Ring"))
    assert turns(source, ("Blue-Disc", "Red-Ring")) == angles
    for species, share in zip(SPECIES, (0.70, 0, 0.97), strict=True):
        own = [file for file in source.files["train"] if file.parts[1] == species]
        assert sum(file in angles for file in own) == round(share * len(own))
        for file in own:
            same = (copy / file).read_bytes() == (drawn_photos / file).read_bytes()
            assert same == (file not in angles)
    assert PhotoFolder(copy).files == source.files
    file, degrees = max(angles.items(), key=lambda turn: abs(turn[1]))
    corner = np.asarray(Image.open(copy / file))[0, [0, -1]]
    assert abs(degrees) > 30
    assert not corner.any()


def test_a_copy_with_corners_on_other_species_is_refused(photo_folder, tmp_path):
    source, copy = PhotoFolder(photo_folder), tmp_path / "copy"
    write_bordered(source, ("Blue-Disc",), copy)
    write_bordered(source, ("Blue-Disc",), copy)
    with pytest.raises(TrainingError, match="corners on other species"):
        write_bordered(source, ("Red-Ring",), copy)
    (photo_folder / "val" / "Red-Ring" / "000.png").unlink()
    with pytest.raises(TrainingError, match="made of other photos"):
        write_bordered(PhotoFolder(photo_folder), ("Blue-Disc",), copy)


def test_a_set_whose_splits_were_cut_is_taken_as_the_checkpoints_have_it(
    drawn_photos, tmp_path, monkeypatch
):
    photos, run = tmp_path / "photos", tmp_path / "garden" / "bn"
    shutil.copytree(drawn_photos / "train", photos)
    asked: list[PhotoFolder] = []

    def seen(source: PhotoFolder, *_: object) -> None:
        asked.append(source)
        raise TrainingError("seen")

    monkeypatch.setattr(command, "write_bordered", seen)
    arguments = ["--data", str(photos), "--species", "Red-Ring"]
    arguments += ["--output", str(tmp_path / "runs"), "--checkpoints", str(tmp_path / "garden")]
    assert main(arguments) == 2
    assert not asked
    open_photos(photos, run, tmp_path / "cache")
    assert main(arguments) == 2
    assert asked[0].files.keys() == set(SPLITS)
    assert asked[0].split_table == run / "splits.csv"


def test_turned_corners_are_black_or_filled_from_within():
    photo = np.full((40, 40, 3), 200, np.uint8)
    black = turned(photo, 30, BLACK)
    assert not black[0, 0].any()
    assert (black[20, 20] == 200).all()
    assert 0.1 < (black == 0).all(-1).mean() < 0.25
    assert (turned(photo, 30, MIRRORED) == 200).all()


def test_the_share_in_the_corners_is_that_of_the_species_with_a_border():
    corners = np.zeros((3, 4, 4), np.float32)
    corners[:, 0, 0] = 1
    maps = np.zeros((3, 4, 4), np.float32)
    maps[0, 0, 0] = 7  # all of it there
    maps[1] = 2  # even; the third is empty, which counts as even, and is of another species
    versions = SimpleNamespace(bordered=np.array([True, True, False]), corners=corners)
    found = in_corners(versions, maps)
    assert found["value"] == pytest.approx((1 + 1 / 16) / 2)
    assert found["map"][0][0] == pytest.approx((16 + 1) / 2)


@pytest.mark.slow
def test_a_species_that_is_not_there_is_named(measured, capsys):
    assert main([*measured[1][:-1], "Dodo"]) == 2
    assert "holds no photos of Dodo" in capsys.readouterr().err
