"""Crops, pasting and colours of whole batches of photos, on the device that trains.

A batch is cropped, resized, flipped and coloured as a whole, by the same operations on any device:
whatever a photo's crop and filter are, a row of the result is a weighted sum of a few rows of the
photo, and so are then the columns.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

TRIES = 10  # at a crop that fits into the photo, as torchvision's RandomResizedCrop does
JITTER = 0.3  # brightness, contrast and saturation change by up to this part
GREY = (0.299, 0.587, 0.114)  # the luma of red, green and blue (ITU-R BT.601)
REACH = 2.0  # of the bicubic filter, in pixels of the result


class Crops(NamedTuple):
    """A crop of each of N photos and how it is shrunk, each (N,) float or bool.

    Attributes:
        top, left, height, width: in pixels of the photo.
        flip: whether left and right are swapped.
        cubic: whether the filter is bicubic (Keys 1981, a = -0.5) and not bilinear.
        antialias: whether the filter widens with the scale, as Pillow's does.
    """

    top: Tensor
    left: Tensor
    height: Tensor
    width: Tensor
    flip: Tensor
    cubic: Tensor
    antialias: Tensor


def squeezed(photos: Tensor, size: int) -> Tensor:
    """Whole photos (N, H, H, 3) uint8, shrunk as those that the network answers: (N, S, S, 3)."""
    bicubic = v2.InterpolationMode.BICUBIC
    shrunk = v2.functional.resize(photos.permute(0, 3, 1, 2), [size, size], bicubic, antialias=True)
    return shrunk.permute(0, 2, 3, 1).contiguous()


def random_crops(draws: Tensor, side: int, smallest: float, aspect: float = 1.25) -> Crops:
    """Crops of photos of a side, shrunk with one of three filters, so that the network does not
    depend on how a photo was shrunk.

    Args:
        draws: (N, 2 * TRIES + 4) from [0, 1).
        side: of the photos, in pixels.
        smallest: share of the photo that the smallest crops keep.
        aspect: the largest one, drawn evenly on a logarithmic scale from its inverse on.
    """
    area = (smallest + (1 - smallest) * draws[:, :TRIES]) * side**2
    aspects = torch.exp(math.log(aspect) * (2 * draws[:, TRIES : 2 * TRIES] - 1))
    width, height = ((area * a).sqrt().round().clamp_min(1) for a in (aspects, 1 / aspects))
    fits = (width <= side) & (height <= side)
    first = fits.int().argmax(1, keepdim=True)
    width, height = (
        torch.where(fits.any(1), lengths.gather(1, first)[:, 0], side)
        for lengths in (width, height)
    )
    vertical, horizontal, flip, kind = draws[:, 2 * TRIES :].T
    top, left = (
        (draw * (side - length + 1)).floor()
        for draw, length in ((vertical, height), (horizontal, width))
    )
    cubic, antialias = (kind * 3).floor() == 0, (kind * 3).floor() < 2
    return Crops(top, left, height, width, flip < 0.5, cubic, antialias)


def resized(photos: Tensor, crops: Crops, size: int) -> Tensor:
    """Photos (N, H, H, 3) uint8 -> their crops (N, S, S, 3) float32, columns before rows."""
    side = photos.shape[1]
    rows, row_weights = filter_taps(crops.top, crops.height, crops, side, size)
    columns, column_weights = filter_taps(crops.left, crops.width, crops, side, size)
    columns = torch.where(crops.flip[:, None, None], columns.flip(1), columns)
    column_weights = torch.where(crops.flip[:, None, None], column_weights.flip(1), column_weights)
    # Clipped between the two passes, as Pillow does, which rounds there as well.
    shrunk = weighted_sums(photos.float(), rows, row_weights).clamp_(0, 255)
    return weighted_sums(shrunk.transpose(1, 2).contiguous(), columns, column_weights)


def weighted_sums(photos: Tensor, rows: Tensor, weights: Tensor) -> Tensor:
    """Sums over K rows of photos (N, H, W, 3), which rows (N, S, K) names: (N, S, W, 3)."""
    count, side, width, colours = photos.shape
    own = rows + side * torch.arange(count, device=rows.device)[:, None, None]
    return F.embedding_bag(
        own.flatten(0, 1),
        photos.view(count * side, width * colours),
        per_sample_weights=weights.flatten(0, 1),
        mode="sum",
    ).view(count, rows.shape[1], width, colours)


def filter_taps(
    start: Tensor, length: Tensor, crops: Crops, side: int, size: int
) -> tuple[Tensor, Tensor]:
    """The pixels and weights (N, S, K) that resize `length` pixels from `start` on to S.

    A pixel of the result is the mean of those around its place, weighted by a filter of their
    distance. The filter's unit is a pixel of the result, or without antialiasing of the photo.
    """
    scale = (length / size)[:, None]
    unit = torch.where(crops.antialias[:, None], scale.clamp_min(1), torch.ones_like(scale))
    centre = (torch.arange(size, device=start.device) + 0.5) * scale
    taps = math.floor(2 * REACH * max(side / size, 1)) + 1  # as many centres of pixels as it covers
    first = (centre - REACH * unit - 0.5).ceil()[..., None]
    places = first + torch.arange(taps, device=start.device)
    distance = (places + 0.5 - centre[..., None]).abs() / unit[..., None]
    weights = torch.where(crops.cubic[:, None, None], cubic(distance), (1 - distance).clamp_min(0))
    weights = weights * ((places >= 0) & (places < length[:, None, None]))
    weights = weights / weights.sum(2, keepdim=True)
    return (places + start[:, None, None]).clamp(0, side - 1).long(), weights


def cubic(distance: Tensor) -> Tensor:
    """Keys' bicubic filter with a = -0.5, as Pillow has it."""
    near = (1.5 * distance - 2.5) * distance**2 + 1
    far = ((-0.5 * distance + 2.5) * distance - 4) * distance + 2
    return torch.where(distance < 1, near, torch.where(distance < 2, far, 0.0))


def laid_on(grounds: Tensor, photos: Tensor, top: Tensor, left: Tensor, length: Tensor) -> Tensor:
    """Shrink photos (N, S, S, 3) float onto grounds of the same shape, with a bilinear filter.

    top, left, length: (N,) of the squares that they fill, in whole pixels.
    """
    (down, rows), (across, columns) = (
        shrinking(start, length, photos.shape[1]) for start in (top, left)
    )
    small = torch.einsum("nih,nhwc,njw->nijc", down, photos, across)
    inside = rows[:, :, None, None] & columns[:, None, :, None]
    return torch.where(inside, small, grounds)


def shrinking(start: Tensor, length: Tensor, size: int) -> tuple[Tensor, Tensor]:
    """Weights (N, S, S) that shrink S pixels to `length` from `start` on, and (N, S), where."""
    places = torch.arange(size, device=start.device) + 0.5
    scale = (size / length)[:, None]
    centre = (places - start[:, None]) * scale
    weights = (1 - (places - centre[..., None]).abs() / scale[..., None]).clamp_min(0)
    inside = (centre > 0) & (centre < size)
    return weights / weights.sum(2, keepdim=True).clamp_min(1e-6), inside


def jittered(pixels: Tensor, amounts: Tensor, order: Tensor) -> Tensor:
    """Change brightness, contrast and saturation of pixels (N, S, S, 3) float in 0..255.

    Each blends the photo with another picture: black, its mean grey, its own grey.

    Args:
        amounts: (N, 3) from [0, 1), how much of each.
        order: (N, 3) from [0, 1), whose order is that of the three.
    """
    factors = 1 + JITTER * (2 * amounts - 1)
    luma = torch.tensor(GREY, device=pixels.device)
    for which in order.argsort(1).T:
        kind = which[:, None, None, None]
        grey = (pixels @ luma)[..., None]
        mean = grey.mean((1, 2, 3), keepdim=True)
        other = torch.where(kind == 0, 0.0, torch.where(kind == 1, mean, grey))
        factor = factors.gather(1, which[:, None])[..., None, None]
        pixels = torch.lerp(other, pixels, factor).clamp_(0, 255)
    return pixels
