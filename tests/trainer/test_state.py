"""A run survives whatever stops it: kill -9, a full disk, a state cut in half, a lost number."""

import json
import multiprocessing
import os
import signal
import sys
from dataclasses import replace

import pandas as pd
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from plumage.folders import SPLITS
from trainer import training
from trainer.data.outliers import OUTLIERS
from trainer.data.photo_folder import PhotoFolder
from trainer.run_folder import EARLIER_STATE, STATE, DivergedError, TrainingError
from trainer.state import new_run, open_run, read_state
from trainer.training import train

pytestmark = pytest.mark.slow

KILLS = 10


@pytest.fixture(scope="module")
def splits(drawn_photos, tmp_path_factory):
    folder, cache = PhotoFolder(drawn_photos), tmp_path_factory.mktemp("cache")
    return {split: folder.load(split, 32, cache) for split in SPLITS}


@pytest.fixture
def recipe(tiny_recipe):
    return replace(tiny_recipe, stored_size=32)


def trained(recipe, splits, folder):
    run = new_run(recipe, 3)
    train(run, recipe, splits, folder)
    return run


def test_a_state_cut_in_half_falls_back_on_the_one_before(recipe, splits, tmp_path):
    whole = trained(recipe, splits, tmp_path)
    file = tmp_path / STATE
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    resumed = new_run(recipe, 3)
    resumed.restore(tmp_path, recipe)
    assert resumed.epoch == recipe.epochs - 1
    train(resumed, recipe, splits, tmp_path)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


def test_a_run_with_outliers_resumes_with_the_same_draws(recipe, splits, tmp_path):
    recipe = replace(recipe, outliers="strange", outliers_per_batch=4, pasted=0.5)
    splits = splits | {OUTLIERS: splits["test"]}
    whole = trained(recipe, splits, tmp_path)
    (tmp_path / EARLIER_STATE).replace(tmp_path / STATE)
    resumed = open_run(recipe, 3, tmp_path)
    assert resumed.epoch == recipe.epochs - 1
    train(resumed, recipe, splits, tmp_path)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


def test_where_no_state_can_be_read_the_file_and_the_way_out_are_named(recipe, splits, tmp_path):
    trained(recipe, splits, tmp_path)
    for name in (STATE, EARLIER_STATE):
        (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(
        TrainingError, match=r"state\.safetensors is damaged.*delete .* and start over"
    ):
        new_run(recipe, 3).restore(tmp_path, recipe)


def test_a_state_of_an_earlier_version_is_not_gone_on_with(recipe, splits, tmp_path):
    trained(recipe, splits, tmp_path)
    with safe_open(tmp_path / STATE, "pt") as file:
        words = json.loads(file.metadata()["state"])
    del words["trained"]
    save_file(load_file(tmp_path / STATE), tmp_path / STATE, {"state": json.dumps(words)})
    with pytest.raises(TrainingError, match="by an earlier version.*delete it and start over"):
        open_run(recipe, 3, tmp_path)


def test_a_state_is_read_by_the_names_of_today(recipe, splits, tmp_path):
    before = trained(recipe, splits, tmp_path).optimizer.param_groups
    with safe_open(tmp_path / STATE, "pt") as file:
        words = json.loads(file.metadata()["state"])
    for group in words["groups"]:
        group["speed"] = group.pop("lr_scale")
    words["trained"]["recipe"]["schedule"] = "one-cycle"
    save_file(load_file(tmp_path / STATE), tmp_path / STATE, {"state": json.dumps(words)})
    after = open_run(recipe, 3, tmp_path).optimizer.param_groups
    assert [group["lr_scale"] for group in after] == [group["lr_scale"] for group in before]
    assert not [group for group in after if "speed" in group]


def test_a_full_disk_stops_the_run_with_advice_and_keeps_its_last_state(recipe, splits, tmp_path):
    trained(replace(recipe, epochs=1), splits, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    run = new_run(recipe, 3)
    run.restore(tmp_path, replace(recipe, epochs=1))
    resource = pytest.importorskip("resource", reason="Windows has no limit on files")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        with pytest.raises(TrainingError, match="could not be saved.*make room there.*--resume"):
            train(run, recipe, splits, tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_run_stopped_between_its_last_state_and_its_history_loses_no_row(
    recipe, splits, tmp_path
):
    whole = trained(recipe, splits, tmp_path)
    file = tmp_path / "history.csv"
    rows = pd.read_csv(file)
    rows[rows.epoch < recipe.epochs].to_csv(file, index=False)
    train(open_run(recipe, 3, tmp_path), recipe, splits, tmp_path)
    assert pd.read_csv(file).equals(rows)
    assert len(rows) == len(whole.history)


def test_a_loss_on_val_that_is_no_number_stops_the_run_with_advice(
    recipe, splits, tmp_path, monkeypatch
):
    real = training.predict
    monkeypatch.setattr(training, "predict", lambda *args: real(*args) * torch.nan)
    with pytest.raises(DivergedError, match=r"not a number in epoch 1: try"):
        trained(recipe, splits, tmp_path)
    assert not (tmp_path / STATE).exists()


def test_a_state_holds_no_pickle_and_says_which_tensor_is_which(recipe, splits, tmp_path):
    run = trained(recipe, splits, tmp_path)
    state = load_file(tmp_path / STATE)  # raises where the file is anything but safetensors
    assert torch.equal(state["network/conv.weight"], run.network.state_dict()["conv.weight"])
    assert len([name for name in state if name.endswith("/momentum_buffer")]) == len(
        list(run.network.parameters())
    )


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_every_optimizer_goes_on_where_it_was_to_the_last_bit(recipe, splits, tmp_path, optimizer):
    recipe = replace(recipe, optimizer=optimizer, learning_rate=0.01)
    whole = trained(recipe, splits, tmp_path)
    (tmp_path / STATE).write_bytes((tmp_path / EARLIER_STATE).read_bytes())
    resumed = open_run(recipe, 3, tmp_path)
    assert resumed.epoch == recipe.epochs - 1
    train(resumed, recipe, splits, tmp_path)
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name


def go_on(recipe, splits, folder, moments=None):
    """What `--resume` does, up to the last epoch; returns how many moments that were.

    A moment is where the trainer calls something or returns. `moments`: after which kill -9 comes.
    """
    torch.set_num_threads(1)  # as in conftest.py
    seen = 0

    def look(frame, event, argument):
        nonlocal seen
        seen += frame.f_globals.get("__name__", "").startswith("trainer.")
        if seen == moments:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(look)
    try:
        train(open_run(recipe, 3, folder), recipe, splits, folder)
    finally:
        sys.setprofile(None)
    return seen


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL and no fork server")
def test_a_run_killed_at_moments_all_over_an_epoch_ends_with_the_weights_of_an_undisturbed_one(
    recipe, splits, tmp_path
):
    recipe = replace(recipe, norm="bin", augmentation="crops", epochs=2 * KILLS + 2)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    epoch = go_on(recipe, splits, whole) // recipe.epochs

    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload(["trainer.training"])  # torch is imported once for all
    for kill in range(KILLS):
        moments = epoch + epoch * kill // KILLS
        process = processes.Process(target=go_on, args=(recipe, splits, killed, moments))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL
    assert KILLS // 2 < read_state(killed, "cpu")["epoch"] < recipe.epochs
    go_on(recipe, splits, killed)

    ends = [read_state(folder, "cpu") for folder in (whole, killed)]
    for kind in ("network", "best"):
        for name, value in ends[0][kind].items():
            assert torch.equal(value, ends[1][kind][name]), name
    histories = [pd.read_csv(folder / "history.csv") for folder in (whole, killed)]
    assert histories[0].drop(columns="seconds").equals(histories[1].drop(columns="seconds"))
