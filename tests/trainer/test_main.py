import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.trainer.conftest import train_command
from trainer.__main__ import main, parse
from trainer.recipe import PRESETS


@pytest.mark.slow
def test_the_command_makes_a_checkpoint_and_refuses_to_overwrite_it(trained, drawn_photos, capsys):
    command, report = train_command("bin", drawn_photos, trained), trained / "bin" / "report.json"
    assert "bin is complete" in (trained / "log").read_text()
    before = report.read_bytes()
    assert main(command) == 2
    assert "already holds a run: --resume" in capsys.readouterr().err
    assert main([*command, "--resume", "--seed", "4"]) == 2
    assert "another --seed" in capsys.readouterr().err
    assert main([*command, "--resume"]) == 0
    assert "is complete" in capsys.readouterr().out
    assert report.read_bytes() == before


@pytest.mark.slow
def test_without_photos_one_sentence_says_what_is_expected(tmp_path):
    command = [sys.executable, "-m", "trainer", "--norm", "bin"]
    env = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=env)
    assert done.returncode == 2
    (sentence,) = done.stderr.strip().splitlines()
    assert re.search(r"train, val and test inside, each with one folder of photos", sentence)
    assert not done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["nowhere", "flat"])
def test_outliers_without_photos_are_refused_before_training(name, drawn_photos, tmp_path, capsys):
    (tmp_path / "flat").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "flat" / "0.png")
    command = train_command("bin", drawn_photos, tmp_path / "runs")
    assert main([*command, "--outliers", str(tmp_path / name)]) == 2
    said = capsys.readouterr().err
    assert name in said
    assert "--outliers names a folder of photos of none of the species" in said
    assert not (tmp_path / "runs").exists()


def test_flags_change_single_values_of_a_preset():
    recipe = parse(["--preset", "report", "--norm", "gn", "--epochs", "3"]).recipe
    assert (recipe.norm, recipe.epochs) == ("gn", 3)
    assert recipe.image_size == PRESETS["report"].image_size
    assert parse([]).recipe == PRESETS["best"]


def test_the_number_of_blocks_has_a_flag_that_torchrun_leaves_alone():
    assert parse(["--blocks-per-stage", "5"]).recipe.n == parse(["--n", "5"]).recipe.n == 5


def test_help_explains_every_flag(capsys):
    with pytest.raises(SystemExit) as stop:
        parse(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for field in ("norm", "image-size", "learning-rate", "label-smoothing", "preset", "resume"):
        assert f"--{field}" in text
    assert np.all([len(line) < 200 for line in text.splitlines()])
