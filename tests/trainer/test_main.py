import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.trainer.conftest import train_command
from trainer import __main__ as module
from trainer.__main__ import main, parse
from trainer.data.demo import EPOCHS
from trainer.model.norms import NORMS
from trainer.recipe import CHECKPOINTS, FITTED, PRESETS


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
    assert re.search(
        r"The folder photos \(the default of --data\) cannot be read .* one folder",
        sentence,
    )
    assert "--data demo" in sentence
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


def test_flags_that_are_given_are_known_from_defaults():
    assert parse([]).given == ()
    assert parse(["--epochs", "16", "--batch-size=64"]).given == ("batch_size", "epochs")
    assert parse(["--preset", "report"]).given == FITTED


def test_the_drawn_set_is_trained_on_for_fewer_epochs_unless_given():
    assert parse(["--data", "demo"]).recipe.epochs == EPOCHS
    assert "epochs" in parse(["--data", "demo"]).given
    assert parse(["--data", "demo", "--epochs", "3"]).recipe.epochs == 3
    assert parse(["--data", "./demo"]).recipe.epochs == 16


def test_several_norms_and_seeds_are_runs_in_folders_of_their_own(monkeypatch):
    monkeypatch.chdir(CHECKPOINTS.parent)
    command = parse(["--norm", "gn", "bin", "--name", "garden", "--seeds", "2", "--seed", "5"])
    assert [(r.norm, r.seed, f.as_posix()) for r, f in command.runs()] == [
        ("gn", 5, "checkpoints/garden/gn"),
        ("bin", 5, "checkpoints/garden/bin"),
        ("gn", 6, "checkpoints/garden/seeds/6/gn"),
        ("bin", 6, "checkpoints/garden/seeds/6/bin"),
    ]
    assert {recipe.norm for recipe, _ in parse(["--norm", "all"]).runs()} == set(NORMS)
    ((recipe, folder),) = parse(["--norm", "gn", "--output", "here"]).runs()
    assert (recipe.norm, folder) == ("gn", Path("here/gn"))


@pytest.mark.parametrize("name", ["bn", "results", "../elsewhere", "a/b", ".hidden", ""])
def test_a_name_that_is_no_folder_of_its_own_is_refused(name, capsys):
    assert main(["--name", name, "--data", "nowhere"]) == 2
    assert f"--name {name} is not possible" in capsys.readouterr().err


def test_an_impossible_number_of_seeds_is_refused(capsys):
    assert main(["--seeds", "0"]) == 2
    assert "--seeds 0 is not possible" in capsys.readouterr().err


def test_an_unknown_norm_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as stop:
        parse(["--norm", "bn", "dodo"])
    assert stop.value.code == 2
    assert "torch-bn" in capsys.readouterr().err


def fingerprint(folder: Path) -> dict[str, tuple[int, int]]:
    stats = {str(file): file.stat() for file in folder.rglob("*")}
    return {name: (stat.st_size, stat.st_mtime_ns) for name, stat in stats.items()}


@pytest.mark.slow
def test_norms_under_a_name_are_compared_beside_their_checkpoints_and_touch_no_others(
    drawn_photos, tmp_path, monkeypatch, capsys
):
    before = fingerprint(CHECKPOINTS)
    monkeypatch.setattr(module, "CHECKPOINTS", tmp_path / "checkpoints")
    # Class folders alone, from which all that follows has to take the same cut.
    given = train_command("gn", drawn_photos / "train", tmp_path / "runs")[2:]
    command = ["--norm", "gn", "nn", "--name", "my garden", *given]
    assert main(command) == 0
    garden = tmp_path / "checkpoints" / "my garden"
    assert {path.name for path in garden.iterdir()} == {"gn", "nn", "results"}
    cut = [(garden / norm / "splits.csv").read_bytes() for norm in ("gn", "nn")]
    assert cut[0] == cut[1]
    assert {path.name for path in (garden / "results").iterdir()} == {
        "comparison.json",
        "explain.json",
    }
    said = capsys.readouterr().out
    assert f"Next: make app CHECKPOINTS='{garden}'" in said
    assert {path.name for path in (tmp_path / "checkpoints").iterdir()} == {"my garden"}
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"cache"}
    assert fingerprint(CHECKPOINTS) == before
    report = garden / "gn" / "report.json"
    written = report.stat().st_mtime_ns
    assert main([*command, "--resume"]) == 0
    assert report.stat().st_mtime_ns == written


def test_the_number_of_blocks_has_a_flag_that_torchrun_leaves_alone():
    assert parse(["--blocks-per-stage", "5"]).recipe.n == parse(["--n", "5"]).recipe.n == 5


@pytest.mark.parametrize(
    ("flag", "old", "value"),
    [
        ("--initial-resolution", "--first-scale", "0.5"),
        ("--cache-size", "--stored-size", "128"),
        ("--min-crop-scale", "--smallest-crop", "0.5"),
        ("--max-crop-aspect", "--largest-aspect", "1.5"),
    ],
)
def test_a_renamed_flag_keeps_its_old_spelling(flag, old, value):
    assert parse([flag, value]).recipe == parse([old, value]).recipe != parse([]).recipe


def test_help_explains_every_flag(capsys):
    with pytest.raises(SystemExit) as stop:
        parse(["--help"])
    assert stop.value.code == 0
    text = capsys.readouterr().out
    for field in ("norm", "image-size", "learning-rate", "label-smoothing", "preset", "resume"):
        assert f"--{field}" in text
    assert np.all([len(line) < 200 for line in text.splitlines()])
