from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from tqdm import tqdm

from trainer import training
from trainer.data.augment import squeezed
from trainer.data.batches import OUTLIER, Batches
from trainer.data.outliers import OUTLIERS, OutlierFolder
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import stratified_subset
from trainer.model.norms import NORMS, BatchInstanceNorm
from trainer.model.resnet import to_input
from trainer.recipe import Recipe
from trainer.run import expected_seconds
from trainer.run_folder import DivergedError, TrainingError
from trainer.state import make_optimizer, new_run
from trainer.training import best_by, retake_statistics, train, train_step

TINY = Recipe(
    norm="torch-bn",
    n=1,
    image_size=32,
    stored_size=40,
    batch_size=16,
    epochs=3,
    learning_rate=0.1,
    augmentation="none",
    precision="float32",
)


@pytest.fixture(scope="module")
def splits(drawn_photos, tmp_path_factory):
    source, cache = PhotoFolder(drawn_photos), tmp_path_factory.mktemp("cache")
    return {
        "train": source.load("train", TINY.stored_size, cache),
        "val": source.load("val", TINY.image_size, cache),
    }


def trained(recipe: Recipe, splits, folder: Path) -> training.TrainState:
    run = new_run(recipe, 3)
    train(run, recipe, splits, folder)
    return run


@pytest.mark.slow
def test_a_tiny_network_learns_drawn_species(splits, tmp_path):
    run = trained(replace(TINY, norm="bn", epochs=8, first_scale=1.0), splits, tmp_path)
    accuracy = [row["accuracy"] for row in run.history if row["split"] == "val"]
    assert max(accuracy) > 0.8
    assert run.best_epoch == accuracy.index(max(accuracy)) + 1 or max(accuracy) in accuracy


def test_history_csv_has_a_row_an_epoch_and_split(splits, tmp_path):
    trained(TINY, splits, tmp_path)
    history = pd.read_csv(tmp_path / "history.csv")
    columns = "epoch split loss accuracy micro_f1 macro_f1 learning_rate seconds"
    assert list(history) == columns.split()
    assert history.epoch.tolist() == [1, 1, 2, 2, 3, 3]
    assert history.split.tolist() == ["train", "val"] * 3


@pytest.mark.slow
def test_the_same_seed_gives_the_same_weights(splits, tmp_path):
    recipe = replace(TINY, epochs=1, augmentation="crops-and-colour")
    one = trained(recipe, splits, tmp_path / "one").network.state_dict()
    same = trained(recipe, splits, tmp_path / "same").network.state_dict()
    other = trained(replace(recipe, seed=1), splits, tmp_path / "other").network.state_dict()
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["conv.weight"], other["conv.weight"])


@pytest.mark.slow
def test_a_stopped_run_goes_on_to_the_same_weights(splits, tmp_path, monkeypatch):
    recipe = replace(TINY, norm="bin", augmentation="crops")
    whole = trained(recipe, splits, tmp_path / "whole")

    calls = 0

    def stop_in_the_second_epoch(*args):
        nonlocal calls
        calls += 1
        if calls == 7:
            raise KeyboardInterrupt
        return train_step(*args)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "train_step", stop_in_the_second_epoch)
        trained(recipe, splits, tmp_path / "stopped")
    resumed = new_run(recipe, 3)
    resumed.restore(tmp_path / "stopped", recipe)
    assert resumed.epoch == 1
    train(resumed, recipe, splits, tmp_path / "stopped")
    for name, value in whole.network.state_dict().items():
        assert torch.equal(value, resumed.network.state_dict()[name]), name
    for name, value in whole.best.items():
        assert torch.equal(value, resumed.best[name]), name


def test_a_run_tells_on_what_machines_it_was_trained(splits, tmp_path, monkeypatch):
    recipe = replace(TINY, epochs=4)
    machines = iter([{"gpu": "G"}, {"gpu": "G"}, {"processor": "P"}, {"gpu": "G"}])
    monkeypatch.setattr(training, "machine", lambda device: next(machines))
    trained(recipe, splits, tmp_path)
    finished = new_run(recipe, 3)
    finished.restore(tmp_path, replace(recipe, data="elsewhere"))
    train(finished, replace(recipe, data="elsewhere"), splits, tmp_path)
    assert finished.trained["machines"] == [{"gpu": "G"}, {"processor": "P"}]
    assert finished.trained["recipe"] == recipe.as_dict()
    assert finished.trained["precision"] == "float32"


def test_resuming_with_another_recipe_is_refused_by_name(splits, tmp_path):
    trained(replace(TINY, epochs=1), splits, tmp_path)
    with pytest.raises(TrainingError, match=r"another --epochs, --seed"):
        new_run(TINY, 3).restore(tmp_path, replace(TINY, epochs=2, seed=4))


def test_a_loss_that_is_no_number_stops_the_run_with_advice(splits, tmp_path):
    with pytest.raises(DivergedError, match=r"not a number in epoch 1: try"):
        trained(replace(TINY, norm="nn", learning_rate=1e20), splits, tmp_path)


def test_the_best_weights_are_those_of_the_best_val_epoch(splits, tmp_path, monkeypatch):
    answers = iter([0.2, 0.9, 0.5])
    real = training.scores

    def told(labels, predicted):
        val = len(labels) == len(splits["val"].labels)
        return real(labels, predicted) | ({"accuracy": next(answers)} if val else {})

    monkeypatch.setattr(training, "scores", told)
    run = trained(TINY, splits, tmp_path)
    assert run.best_epoch == 2
    assert not torch.equal(run.best["conv.weight"], run.network.state_dict()["conv.weight"])


def test_norms_biases_and_gates_have_no_weight_decay_and_gates_ten_times_the_speed():
    network = training.ResNet(NORMS["bin"])
    groups = make_optimizer(network, Recipe()).param_groups
    assert [(g["weight_decay"], g["lr_scale"]) for g in groups] == [(5e-4, 1), (0, 1), (0, 10)]
    assert all(p.ndim > 1 for p in groups[0]["params"])
    gates = sum(isinstance(m, BatchInstanceNorm) for m in network.modules())
    assert len(groups[2]["params"]) == gates == 15


def test_gates_stay_between_0_and_1():
    recipe = replace(TINY, norm="bin", learning_rate=50.0)
    run = new_run(recipe, 3)
    photos = torch.randint(0, 256, (8, 16, 16, 3), dtype=torch.uint8)
    train_step(run, recipe, photos, torch.arange(8) % 3)
    gates = torch.cat([m.gate for m in run.network.modules() if isinstance(m, BatchInstanceNorm)])
    assert gates.min() >= 0
    assert gates.max() <= 1


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw", "rmsprop"])
def test_each_optimizer_lowers_the_loss_of_a_batch(optimizer):
    recipe = replace(TINY, optimizer=optimizer, learning_rate=0.01)
    run = new_run(recipe, 3)
    rng = np.random.default_rng(0)
    photos = torch.from_numpy(rng.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8))
    labels = torch.arange(12) % 3
    losses = [train_step(run, recipe, photos, labels)[0].item() for _ in range(15)]
    assert losses[-1] < 0.7 * losses[0]


@pytest.mark.parametrize(
    ("momentum", "nesterov", "told"), [(0.9, True, True), (0.9, False, False), (0.0, True, False)]
)
def test_sgds_momentum_is_nesterovs_where_there_is_any(momentum, nesterov, told):
    recipe = Recipe(momentum=momentum, nesterov=nesterov)
    optimizer = make_optimizer(training.ResNet(NORMS["bn"]), recipe)
    assert (optimizer.defaults["momentum"], optimizer.defaults["nesterov"]) == (momentum, told)


def test_training_sees_each_photo_of_the_subset_once_an_epoch_and_no_other(splits):
    recipe = replace(TINY, photos_per_species=5, first_scale=1.0, image_size=40)
    whole, kept = splits["train"], stratified_subset(splits["train"].labels, 5)
    for seed in (0, 1):
        seen = [
            photo.tobytes()
            for batch, _ in Batches(whole, replace(recipe, seed=seed), recipe.image_size, epoch=0)
            for photo in batch.numpy()
        ]
        assert sorted(seen) == sorted(whole.pixels[i].tobytes() for i in kept)


def test_a_probe_is_in_the_row_of_val(splits, tmp_path):
    run = new_run(TINY, 3)
    seen = []

    def probe(network):
        seen.append(network)
        return {"probed": len(seen)}

    train(run, TINY, splits, tmp_path, probe)
    assert all(network is run.network for network in seen)
    history = pd.read_csv(tmp_path / "history.csv")
    assert history.probed.dropna().tolist() == [1, 2, 3]
    assert history[history.probed.notna()].split.tolist() == ["val"] * 3


def test_bfloat16_is_used_only_where_the_processor_computes_in_it(monkeypatch):
    for native, expected in ((True, torch.bfloat16), (False, torch.float32)):
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda n=native: n)
        assert training.precision(Recipe()) == expected
    assert training.precision(Recipe(precision="bfloat16")) == torch.bfloat16


def test_the_bar_tells_loss_and_accuracy_of_the_epoch_so_far(splits):
    recipe = replace(TINY, first_scale=1.0)
    told = []

    class Bar:
        def update(self, count):
            return True

        def set_postfix(self, told_now, refresh):
            told.append(told_now)

    labels, answers, losses = training.train_epoch(
        new_run(recipe, 3), recipe, splits["train"], Bar()
    )
    assert told[0]["loss"] == f"{losses[0]:.3f}"
    assert told[-1]["loss"] == f"{np.mean(losses):.3f}"
    assert told[-1]["accuracy"] == f"{np.mean(np.equal(labels, answers)):.3f}"


def test_a_loss_of_a_network_in_float64_keeps_its_digits():
    recipe = replace(TINY, norm="bn")
    run = new_run(recipe, 3)
    run.network.double().register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
    photos = torch.randint(0, 256, (8, 16, 16, 3), dtype=torch.uint8)
    loss, logits = train_step(run, recipe, photos, torch.arange(8) % 3)
    assert loss.dtype == logits.dtype == torch.float64


def test_the_loss_adds_the_outliers_cross_entropy_to_the_uniform_distribution():
    recipe = replace(TINY, outliers="strange", outlier_weight=0.3, label_smoothing=0.2)
    photos = torch.randint(0, 256, (8, 16, 16, 3), dtype=torch.uint8)
    labels = torch.tensor([0, 1, 2, 1, 0, OUTLIER, OUTLIER, OUTLIER])
    loss, logits = train_step(new_run(recipe, 3), recipe, photos, labels)
    own = F.cross_entropy(logits[:5], labels[:5], label_smoothing=0.2)
    uniform = F.cross_entropy(logits[5:], torch.full((3, 3), 1 / 3))
    assert loss.item() == pytest.approx((own + 0.3 * uniform).item(), rel=1e-5)


def test_steps_on_outliers_bring_their_answers_closer_to_even():
    recipe = replace(TINY, outliers="strange", outlier_weight=5.0, learning_rate=0.01)
    run = new_run(recipe, 3)
    rng = np.random.default_rng(0)
    photos = torch.from_numpy(rng.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8))
    labels = torch.cat([torch.arange(6) % 3, torch.full((6,), OUTLIER)])
    largest = [
        train_step(run, recipe, photos, labels)[1][6:].softmax(1).amax(1).mean().item()
        for _ in range(15)
    ]
    assert largest[-1] - 1 / 3 < 0.5 * (largest[0] - 1 / 3)


def test_a_step_without_outliers_has_the_loss_of_a_run_without():
    photos = torch.randint(0, 256, (8, 16, 16, 3), dtype=torch.uint8)
    losses = [
        train_step(new_run(recipe, 3), recipe, photos, torch.arange(8) % 3)[0].item()
        for recipe in (TINY, replace(TINY, outliers="strange"))
    ]
    assert losses[0] == losses[1]


def test_outliers_are_in_the_epochs_that_the_recipe_gives_them(splits, tmp_path, monkeypatch):
    strange = splits["train"]  # any photos do
    recipe = replace(TINY, outliers="strange", outlier_epochs=1)
    seen, train_epoch = [], training.train_epoch

    def spied(run, recipe, photos, bar, outliers):
        seen.append(outliers)
        return train_epoch(run, recipe, photos, bar)

    monkeypatch.setattr(training, "train_epoch", spied)
    train(new_run(recipe, 3), recipe, splits | {OUTLIERS: strange}, tmp_path)
    assert seen == [None, None, strange]


def test_an_epoch_with_outliers_counts_the_photos_of_the_species_alone(splits, tmp_path):
    Image.new("RGB", (40, 40), "blue").save(tmp_path / "0.png")
    (tmp_path / "strange" / "no_bird").mkdir(parents=True)
    (tmp_path / "0.png").rename(tmp_path / "strange" / "no_bird" / "0.png")
    outliers = OutlierFolder(tmp_path / "strange").load(OUTLIERS, 40, tmp_path / "cache")
    recipe = replace(TINY, outliers="strange", outliers_per_batch=2, augmentation="crops")
    bar = tqdm(disable=True)
    labels, answers, losses = training.train_epoch(
        new_run(recipe, 3), recipe, splits["train"], bar, outliers
    )
    assert len(labels) == len(answers) == len(losses) == len(splits["train"].labels)
    assert min(labels) == 0


@pytest.mark.parametrize("norm", ["bn", "bin", "torch-bn"])
def test_statistics_are_those_of_the_training_photos_as_they_are_answered(norm, splits):
    recipe = replace(TINY, norm=norm)
    run = new_run(recipe, 3)
    weights = {name: value.clone() for name, value in run.network.named_parameters()}
    retake_statistics(run.network, splits["train"], recipe)
    pixels = squeezed(torch.from_numpy(np.array(splits["train"].pixels)), recipe.image_size)
    with torch.no_grad():
        maps = run.network.conv(to_input(pixels))
    first = run.network.norm
    torch.testing.assert_close(first.running_mean, maps.mean((0, 2, 3)), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(first.running_var, maps.var((0, 2, 3)), rtol=1e-3, atol=1e-4)
    assert first.momentum == 0.1
    assert run.network.training
    assert all(torch.equal(value, weights[name]) for name, value in run.network.named_parameters())


def test_several_batches_of_statistics_are_averaged(splits, monkeypatch):
    recipe = replace(TINY, norm="bn")
    whole, parts = new_run(recipe, 3).network, new_run(recipe, 3).network
    retake_statistics(whole, splits["train"], recipe)
    monkeypatch.setattr(training, "RETAKEN", 24)
    retake_statistics(parts, splits["train"], recipe)
    torch.testing.assert_close(parts.norm.running_mean, whole.norm.running_mean)


def test_epochs_behind_a_run_take_no_time_any_more(splits):
    assert expected_seconds(TINY, splits, TINY.epochs) == 0
    assert expected_seconds(TINY, splits, TINY.epochs - 1) > 0


def test_the_best_epoch_is_chosen_by_macro_f1_where_classes_are_uneven():
    assert best_by(np.repeat([0, 1, 2], [10, 12, 19])) == "accuracy"
    assert best_by(np.repeat([0, 1, 3], [10, 12, 20])) == "macro_f1"
