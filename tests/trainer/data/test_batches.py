from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as per_photo

from trainer.data.batches import (
    OUTLIER,
    TRIES,
    Batches,
    backgrounds_of,
    balanced,
    jittered,
    laid_on,
    random_crops,
    resized,
)
from trainer.data.photo_folder import OUTLIERS, OutlierFolder, PhotoFolder, PhotoSet, read_squeezed
from trainer.recipe import Recipe
from trainer.utils import distributed
from trainer.utils.distributed import Rank

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


def test_crops_are_as_narrow_as_the_recipe_allows():
    _, _, height, width, *_ = random_crops(draws(2000), 160, 0.35, aspect=5 / 3)
    assert 0.58 < (width / height).min() < 0.64
    assert 1.56 < (width / height).max() < 1.72


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


def test_pasting_shrinks_as_pillow_does_up_to_rounding():
    rng = np.random.default_rng(0)
    photos = rng.integers(0, 256, (9, 32, 32, 3), dtype=np.uint8)
    grounds = torch.full((9, 32, 32, 3), 7.0)
    length = torch.tensor([10.0, 12, 15, 16, 20, 24, 27, 31, 32])
    top, left = ((32 - length) * share for share in (1, 0.5))
    found = laid_on(grounds, torch.from_numpy(photos).float(), top, left.floor(), length)
    for photo, pasted, *square in zip(photos, found.numpy(), top, left, length, strict=True):
        first, start, side = map(int, square)
        small = np.asarray(Image.fromarray(photo).resize((side, side), Image.Resampling.BILINEAR))
        inside = pasted[first : first + side, start : start + side]
        assert np.abs(inside - small).max() <= 1.5
        assert (pasted == 7).all(-1).sum() >= 32**2 - side**2


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
