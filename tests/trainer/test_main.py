import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.torch import load_file

from trainer.__main__ import main, parse
from trainer.evaluation import onnx_logits, scores
from trainer.photos import PhotoFolder
from trainer.recipe import PRESETS

TINY = (
    "--n 1 --image-size 32 --stored-size 40 --batch-size 16 --epochs 2 --learning-rate 0.05 "
    "--augmentation none --workers 0"
).split()


@pytest.fixture(scope="module")
def finished(drawn_photos, tmp_path_factory) -> Path:
    """A finished run of batch-instance norm on drawn photos."""
    output = tmp_path_factory.mktemp("runs")
    assert main(["--norm", "bin", "--data", str(drawn_photos), "--output", str(output), *TINY]) == 0
    return output / "bin"


def test_a_run_ends_with_a_whole_checkpoint(finished):
    names = {path.name for path in finished.iterdir()}
    assert names == {"model.onnx", "weights.safetensors", "report.json", "history.csv"}
    assert set(pd.read_csv(finished / "history.csv").epoch) == {1, 2}
    assert "conv.weight" in load_file(finished / "weights.safetensors")


def test_the_report_holds_recipe_counts_versions_and_scores_with_intervals(finished):
    report = json.loads((finished / "report.json").read_text())
    assert report["recipe"]["norm"] == "bin"
    assert report["photos"]["train"]["count"] == 72
    assert report["species"] == ["Blue-Disc", "Green-Bar", "Red-Ring"]
    assert report["versions"]["torch"]
    for split in ("train", "val", "test"):
        for score in ("accuracy", "micro_f1", "macro_f1"):
            value = report["metrics"][split][score]
            assert 0 <= value["low"] <= value["value"] <= value["high"] <= 1


def test_the_reported_accuracy_is_that_of_the_exported_file(finished, drawn_photos, tmp_path):
    report = json.loads((finished / "report.json").read_text())
    test = PhotoFolder(drawn_photos).load("test", 32, tmp_path)
    answers = onnx_logits(finished / "model.onnx", test.pixels).argmax(axis=1)
    expected = scores(test.labels, answers)
    assert {name: s["value"] for name, s in report["metrics"]["test"].items()} == expected


def test_a_finished_run_is_not_overwritten(finished, drawn_photos, capsys):
    before = (finished / "report.json").read_bytes()
    command = ["--norm", "bin", "--data", str(drawn_photos), "--output", str(finished.parent)]
    assert main([*command, *TINY]) == 2
    assert "already holds a run: --resume" in capsys.readouterr().err
    assert (finished / "report.json").read_bytes() == before


def test_resuming_a_finished_run_leaves_it_as_it_is(finished, drawn_photos, capsys):
    before = (finished / "report.json").read_bytes()
    command = ["--norm", "bin", "--data", str(drawn_photos), "--output", str(finished.parent)]
    assert main([*command, *TINY, "--resume"]) == 0
    assert "is complete" in capsys.readouterr().out
    assert main([*command, *TINY, "--resume", "--seed", "4"]) == 2
    assert "another --seed" in capsys.readouterr().err
    assert (finished / "report.json").read_bytes() == before


def test_without_photos_one_sentence_says_what_is_expected(tmp_path):
    command = [sys.executable, "-m", "trainer", "--norm", "bin"]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env)
    assert done.returncode == 2
    (sentence,) = done.stderr.strip().splitlines()
    assert re.search(r"train, val and test inside, each with one folder of photos", sentence)
    assert not done.stdout
    assert not list(tmp_path.iterdir())


def test_flags_change_single_values_of_a_preset():
    recipe = parse(["--preset", "report", "--norm", "gn", "--epochs", "3"]).recipe
    assert (recipe.norm, recipe.epochs) == ("gn", 3)
    assert recipe.image_size == PRESETS["report"].image_size
    assert parse([]).recipe == PRESETS["best"]


def test_help_explains_every_flag(capsys):
    with pytest.raises(SystemExit) as stop:
        parse(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for field in ("norm", "image-size", "learning-rate", "label-smoothing", "preset", "resume"):
        assert f"--{field}" in text
    assert np.all([len(line) < 200 for line in text.splitlines()])
