import numpy as np
import pytest
import torch
from PIL import Image
from torch.nn import functional as F
from torchvision.transforms.v2 import functional as per_photo

from trainer.data.augment import TRIES, jittered, laid_on, random_crops, resized


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
