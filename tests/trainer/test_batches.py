from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as per_photo

from trainer.batches import TRIES, Batches, jittered, random_crops, resized
from trainer.data import PhotoFolder, PhotoSet, read_squeezed
from trainer.recipe import Recipe
from trainer.utils import distributed
from trainer.utils.distributed import Place

KINDS = ["none", "crops", "crops-and-colour"]


def load(folder: Path, cache: Path) -> PhotoSet:
    return PhotoFolder(folder).load("train", 16, cache)


def draws(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(count, 2 * TRIES + 4, generator=generator)


def shrunk(crop: np.ndarray, size: int, cubic: bool, antialias: bool) -> np.ndarray:
    """A crop by Pillow, rows first; by torch where no antialiasing is asked for."""
    if antialias:
        kind = Image.Resampling.BICUBIC if cubic else Image.Resampling.BILINEAR
        rows_first = Image.fromarray(crop).resize((crop.shape[1], size), kind)
        return np.asarray(rows_first.resize((size, size), kind)).astype(float)
    channels_first = torch.from_numpy(crop).permute(2, 0, 1)[None].float()
    result = F.interpolate(channels_first, (size, size), mode="bilinear")
    return result[0].permute(1, 2, 0).round().numpy()


@pytest.mark.parametrize("size", [8, 24, 40, 56])
@pytest.mark.parametrize("scene", ["noise", "edges"])
def test_crops_of_a_batch_are_those_of_each_photo_alone_up_to_rounding(size, scene):
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (60, 40, 40, 3), dtype=np.uint8)
    if scene == "edges":
        photos = 255 * (photos > 200).astype(np.uint8)
    crops = random_crops(draws(60), 40, 0.35)
    batch = resized(torch.from_numpy(photos), crops, size).round().clamp(0, 255).transpose(1, 2)
    kinds = set()
    for photo, found, *crop in zip(photos, batch.numpy(), *crops, strict=True):
        top, left, height, width, flip, cubic, antialias = (int(value) for value in crop)
        kinds.add((cubic, antialias, flip))
        alone = shrunk(photo[top : top + height, left : left + width], size, cubic, antialias)
        assert np.abs(found - (alone[:, ::-1] if flip else alone)).max() <= 1
    assert len(kinds) == 6


def test_crops_lie_in_the_photo_and_are_of_the_sizes_and_shapes_asked_for():
    top, left, height, width, flip, *_ = random_crops(draws(2000), 160, 0.35)
    assert top.min() >= 0
    assert left.min() >= 0
    assert (top + height).max() <= 160
    assert (left + width).max() <= 160
    area = height * width / 160**2
    assert area.min() > 0.34
    assert area.max() > 0.95
    assert 0.78 < (width / height).min() < 0.85
    assert 1.2 < (width / height).max() < 1.27
    assert 0.45 < flip.float().mean() < 0.55


def test_a_crop_that_fits_at_no_try_is_the_whole_photo():
    flat = torch.zeros(1, 2 * TRIES + 4)
    flat[:, : 2 * TRIES] = 0.999  # the largest area at the widest shape
    top, left, height, width, *_ = random_crops(flat, 40, 0.99)
    assert (top, left, height, width) == (0, 0, 40, 40)


def test_colours_change_as_torchvision_changes_those_of_each_photo_alone():
    photos = torch.from_numpy(np.random.default_rng(0).uniform(0, 255, (12, 8, 8, 3))).float()
    amounts, order = torch.rand(2, 12, 3, generator=torch.Generator().manual_seed(0))
    steps = (
        per_photo.adjust_brightness,
        per_photo.adjust_contrast,
        per_photo.adjust_saturation,
    )
    for photo, found, amount, rank in zip(
        photos, jittered(photos, amounts, order), amounts, order, strict=True
    ):
        alone = photo.permute(2, 0, 1) / 255
        for which in rank.argsort().tolist():
            alone = steps[which](alone, 1 + 0.3 * (2 * amount[which].item() - 1))
        # torchvision's grey has its weights rounded to four digits.
        torch.testing.assert_close(found, 255 * alone.permute(1, 2, 0), rtol=0, atol=0.1)


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

    def batch(place: Place) -> tuple[torch.Tensor, torch.Tensor]:
        monkeypatch.setattr(distributed, "place", lambda: place)
        return Batches(photos, Recipe(augmentation=kind), 16, 0).batch(indices)

    whole, labels = batch(Place())
    shares = [batch(Place(rank, 3)) for rank in range(3)]
    assert [len(share) for share, _ in shares] == [1, 2, 2]
    assert torch.equal(torch.cat([share for share, _ in shares]), whole)
    assert all(torch.equal(told, labels) for _, told in shares)
    assert [len(batch(Place(rank, 7))[0]) for rank in range(7)] == [0, 1, 1, 0, 1, 1, 1]


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
