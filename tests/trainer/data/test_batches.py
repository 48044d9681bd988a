from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from trainer.data.batches import OUTLIER, Batches, backgrounds_of, balanced
from trainer.data.outliers import OUTLIERS, OutlierFolder
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet, read_squeezed
from trainer.recipe import Recipe
from trainer.utils import distributed
from trainer.utils.distributed import Rank

KINDS = ["none", "crops", "crops-and-colour"]


def load(folder: Path, cache: Path) -> PhotoSet:
    return PhotoFolder(folder).load("train", 16, cache)


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_is_of_uint8_squares_of_the_size_asked_for(kind, photo_folder, tmp_path):
    photos = load(photo_folder, tmp_path / "cache")
    batch, labels = Batches(photos, Recipe(augmentation=kind), 24, 0).batch(torch.tensor([3, 1]))
    assert batch.shape == (2, 24, 24, 3)
    assert (batch.dtype, labels.dtype) == (torch.uint8, torch.int64)
    assert batch.is_contiguous()


def test_no_augmentation_shrinks_photos_as_those_that_are_answered(photo_folder, tmp_path):
    photos = load(photo_folder, tmp_path / "cache")
    recipe, indices = Recipe(augmentation="none"), torch.tensor([3, 1])
    same, labels = Batches(photos, recipe, 16, epoch=0).batch(indices)
    assert np.array_equal(same.numpy(), photos.pixels[[3, 1]])
    assert labels.tolist() == [0, 0]
    source = PhotoFolder(photo_folder)
    large = source.load("train", 40, tmp_path / "cache")
    small, _ = Batches(large, recipe, 16, epoch=0).batch(indices)
    for photo, index in zip(small.numpy(), indices, strict=True):
        answered = read_squeezed(photo_folder / source.files["train"][index], 16)
        assert np.abs(photo.astype(int) - answered).max() <= 1


@pytest.mark.parametrize("kind", KINDS)
def test_processes_share_out_the_batch_that_one_would_have(
    kind, photo_folder, tmp_path, monkeypatch
):
    photos = load(photo_folder, tmp_path / "cache")
    indices = torch.tensor([5, 2, 9, 0, 7])

    def batch(rank: Rank) -> tuple[torch.Tensor, torch.Tensor]:
        monkeypatch.setattr(distributed, "rank", lambda: rank)
        return Batches(photos, Recipe(augmentation=kind), 16, 0).batch(indices)

    whole, labels = batch(Rank())
    shares = [batch(Rank(rank, 3)) for rank in range(3)]
    assert [len(share) for share, _ in shares] == [1, 2, 2]
    assert torch.equal(torch.cat([share for share, _ in shares]), whole)
    assert all(torch.equal(told, labels) for _, told in shares)
    assert [len(batch(Rank(rank, 7))[0]) for rank in range(7)] == [0, 1, 1, 0, 1, 1, 1]


def test_draws_depend_on_seed_epoch_and_batch_alone(photo_folder, tmp_path):
    photos = load(photo_folder, tmp_path / "cache")

    def draw(seed: int, epoch: int) -> torch.Tensor:
        torch.rand(3)  # whatever was drawn before
        return Batches(photos, Recipe(seed=seed), 16, epoch).batch(torch.tensor([5, 2]))[0]

    assert torch.equal(draw(0, 1), draw(0, 1))
    assert not torch.equal(draw(0, 1), draw(0, 2))
    assert not torch.equal(draw(0, 1), draw(1, 1))


@pytest.mark.parametrize(("size", "batches"), [(5, [5, 5, 5, 3]), (17, [17]), (1, [1] * 18)])
def test_a_last_batch_of_one_photo_is_left_out(size, batches, photo_folder, tmp_path):
    photos = load(photo_folder, tmp_path / "cache")
    epoch = Batches(photos, Recipe(batch_size=size), 16, 0)
    assert [len(labels) for _, labels in epoch] == batches
    assert len(epoch) == len(batches)


def test_the_order_is_another_each_epoch(photo_folder, tmp_path):
    photos = load(photo_folder, tmp_path / "cache")
    recipe = replace(Recipe(), batch_size=18)
    orders = [Batches(photos, recipe, 16, epoch).indices[0].tolist() for epoch in (0, 1, 0)]
    assert sorted(orders[0]) == list(range(18))
    assert orders[0] == orders[2] != orders[1]


@pytest.fixture
def outliers(tmp_path: Path) -> PhotoSet:
    """Four green photos with a bird and three blue ones without."""
    for kind, colour, count in (("no_bird", (0, 0, 255), 3), ("other_birds", (0, 255, 0), 4)):
        folder = tmp_path / "strange" / kind
        folder.mkdir(parents=True)
        for number in range(count):
            Image.new("RGB", (40, 30), colour).save(folder / f"{number}.png")
    return OutlierFolder(tmp_path / "strange").load(OUTLIERS, 16, tmp_path / "cache")


def test_outliers_follow_the_photos_of_every_batch_in_rounds(photo_folder, outliers, tmp_path):
    photos = load(photo_folder, tmp_path / "cache")
    recipe = Recipe(batch_size=5, outliers_per_batch=2, pasted=0)
    epoch = Batches(photos, recipe, 16, 0, outliers)
    alone = Batches(photos, recipe, 16, 0)
    for (batch, labels), (plain, own) in zip(epoch, alone, strict=True):
        assert labels.tolist() == [*own.tolist(), OUTLIER, OUTLIER]
        assert len(batch) == len(plain) + 2
        assert (batch[-2:, ..., 0] == 0).all()  # blue or green
    beside = epoch.beside.flatten().tolist()
    assert sorted(beside[:7]) == list(range(7))
    assert len(beside) == 2 * len(epoch)


def test_photos_are_pasted_onto_outliers_without_a_bird_only(photo_folder, outliers, tmp_path):
    photos = load(photo_folder, tmp_path / "cache")
    assert [outliers.species[label] for label in outliers.labels[backgrounds_of(outliers)]] == [
        "no_bird"
    ] * 3
    recipe = Recipe(outliers_per_batch=1, pasted=1)
    batches = Batches(photos, recipe, 32, 0, outliers)
    pixels, _ = batches.batch(torch.arange(18), torch.tensor([6]))
    blue = (pixels[:18] == torch.tensor([0, 0, 255], dtype=torch.uint8)).all(-1)
    shares = 1 - blue.float().mean((1, 2))
    assert 0.28**2 < shares.min() < 0.5**2
    assert 0.7**2 < shares.max() < 0.87**2
    assert (pixels[18] == torch.tensor([0, 255, 0], dtype=torch.uint8)).all()


def test_processes_share_out_a_batch_with_outliers(photo_folder, outliers, tmp_path, monkeypatch):
    photos = load(photo_folder, tmp_path / "cache")
    recipe = Recipe(outliers_per_batch=3, pasted=0.5)

    def batch(rank: Rank) -> tuple[torch.Tensor, torch.Tensor]:
        monkeypatch.setattr(distributed, "rank", lambda: rank)
        batches = Batches(photos, recipe, 16, 0, outliers)
        return batches.batch(torch.tensor([5, 2, 9, 0, 7]), torch.tensor([6, 0, 3]))

    whole, labels = batch(Rank())
    for size in (2, 3, 8):
        shares = [batch(Rank(rank, size)) for rank in range(size)]
        assert torch.equal(torch.cat([share for share, _ in shares]), whole)
        assert all(torch.equal(told, labels) for _, told in shares)


def test_outliers_of_no_named_kind_are_all_backgrounds(outliers):
    assert backgrounds_of(replace(outliers, species=("forest", "sea"))).tolist() == list(range(7))


def test_balanced_batches_hold_every_class_as_often():
    labels = torch.tensor([0] * 30 + [1] * 5 + [2] * 7)
    chosen = balanced(torch.arange(42), labels, torch.Generator().manual_seed(0))
    assert len(chosen) == 42
    assert torch.bincount(labels[chosen]).tolist() == [14, 14, 14]
    assert len(chosen[labels[chosen] == 0].unique()) == 14
    assert torch.bincount(chosen[labels[chosen] == 1])[30:35].sum() == 14
    assert set(chosen[labels[chosen] == 1].tolist()) == set(range(30, 35))
