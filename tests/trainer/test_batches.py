from pathlib import Path

import numpy as np
import pytest
import torch

from trainer.batches import TrainingBatches, augmentation
from trainer.data import PhotoFolder, PhotoSet
from trainer.recipe import Recipe
from trainer.utils import distributed as processes
from trainer.utils.distributed import Place


def load(folder: Path, cache: Path) -> PhotoSet:
    return PhotoFolder(folder).load("train", 16, cache)


@pytest.mark.parametrize("kind", ["none", "crops", "crops-and-colour"])
def test_augmentation_gives_squares_of_the_size_asked_for(kind):
    photo = torch.randint(0, 256, (3, 40, 40), dtype=torch.uint8)
    assert augmentation(kind, 24, 0.35)(photo).shape == (3, 24, 24)
    assert augmentation(kind, 24, 0.35)(photo).dtype == torch.uint8


def test_no_augmentation_changes_nothing_but_the_size(photo_folder, tmp_path):
    photos = load(photo_folder, tmp_path / "cache")
    batches = TrainingBatches(photos, Recipe(augmentation="none"), 16, epoch=0)
    batch, labels = batches.__getitems__([3, 1])
    assert np.array_equal(batch.numpy(), photos.pixels[[3, 1]])
    assert labels.tolist() == [0, 0]


@pytest.mark.parametrize("kind", ["none", "crops", "crops-and-colour"])
def test_processes_share_out_the_batch_that_one_would_have(
    kind, photo_folder, tmp_path, monkeypatch
):
    photos = load(photo_folder, tmp_path / "cache")
    indices = [5, 2, 9, 0, 7]

    def batch(place: Place) -> tuple[torch.Tensor, torch.Tensor]:
        monkeypatch.setattr(processes, "place", lambda: place)
        return TrainingBatches(photos, Recipe(augmentation=kind), 16, 0).__getitems__(indices)

    whole, labels = batch(Place())
    shares = [batch(Place(rank, 3)) for rank in range(3)]
    assert [len(share) for share, _ in shares] == [1, 2, 2]
    assert torch.equal(torch.cat([share for share, _ in shares]), whole)
    assert all(torch.equal(told, labels) for _, told in shares)


def test_draws_depend_on_seed_epoch_and_batch_alone(photo_folder, tmp_path):
    photos = load(photo_folder, tmp_path / "cache")

    def draw(seed: int, epoch: int) -> torch.Tensor:
        torch.rand(3)  # whatever was drawn before
        return TrainingBatches(photos, Recipe(seed=seed), 16, epoch).__getitems__([5, 2])[0]

    assert torch.equal(draw(0, 1), draw(0, 1))
    assert not torch.equal(draw(0, 1), draw(0, 2))
    assert not torch.equal(draw(0, 1), draw(1, 1))
