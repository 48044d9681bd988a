import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.trainer.conftest import copied
from trainer.evaluate.ood import HELD_OUT, TUNING, auroc, auroc_with_interval, main, ood_files
from trainer.evaluate.ood_baselines import SCORES


def test_every_second_photo_of_each_kind_is_held_out_and_the_others_are_for_tuning(tmp_path: Path):
    for kind, count in {"no_bird": 5, "other_birds": 4, "empty": 1}.items():
        (tmp_path / kind).mkdir()
        for i in range(count):
            Image.new("RGB", (8, 8)).save(tmp_path / kind / f"{i}.png")
    found = ood_files(tmp_path)
    assert [p.name for p in found["no bird"][TUNING]] == ["0.png", "2.png", "4.png"]
    assert [p.name for p in found["no bird"][HELD_OUT]] == ["1.png", "3.png"]
    assert list(found) == ["no bird", "other birds"]


def test_the_area_is_the_share_of_pairs_in_the_right_order_and_lies_in_its_interval():
    own, theirs = np.float32([0, 1, 2, 3]), np.float32([2.5, 4, 5, 6, 7])
    score = auroc_with_interval(own, theirs)
    assert score["value"] == pytest.approx(19 / 20)
    assert score["low"] <= score["value"] <= score["high"]
    assert auroc(own, own) == 0.5


@pytest.fixture(scope="module")
def checkpoints(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copied(trained, tmp_path_factory.mktemp("checkpoints"), "bin")


def arguments(checkpoints: Path, photos: Path, tmp_path: Path) -> list[str]:
    return [
        *("--data", str(photos), "--output", str(tmp_path)),
        *("--checkpoints", str(checkpoints)),
    ]


@pytest.mark.slow
def test_photos_like_the_models_own_are_accepted_as_often(
    checkpoints: Path, drawn_photos: Path, tmp_path: Path
):
    given = arguments(checkpoints, drawn_photos, tmp_path)
    assert main([*given, "--strangers", str(drawn_photos / "train")]) == 0
    found = json.loads((checkpoints / "results" / "ood.json").read_text())
    assert found["photos"] == dict.fromkeys(("Blue-Disc", "Green-Bar", "Red-Ring"), 12)
    assert [(row["variant"], row["kind"]) for row in found["rows"]] == [
        ("bin", kind) for kind in found["photos"]
    ]
    for row in found["rows"]:
        assert 0 <= row["false_acceptance_rate"] <= 1
        assert row["low"] <= row["auroc"] <= row["high"]
    assert found["tuned_with"] == found["photos"]
    for kind in found["photos"]:
        areas = {row["score"]: row["auroc"] for row in found["scores"] if row["kind"] == kind}
        assert set(areas) == {*SCORES, "novelty"}
        assert all(0 <= area <= 1 for area in areas.values())
    assert [row["kind"] for row in found["verdicts"]] == list(found["photos"])


@pytest.mark.slow
def test_a_folder_without_photos_is_refused_with_advice(
    checkpoints: Path, drawn_photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    given = arguments(checkpoints, drawn_photos, tmp_path)
    assert main([*given, "--ood", str(tmp_path / "nothing")]) == 2
    assert "--ood names one" in capsys.readouterr().err
