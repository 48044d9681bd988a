"""Decoded photos -> augmented batches, made on the device that trains.

The photos stay on the device as uint8. A batch is cropped, resized, flipped and coloured as a
whole, by the same operations on any device: whatever a photo's crop and filter are, a row of the
result is a weighted sum of a few rows of the photo, and so are then the columns.

Outliers, photos of none of the species, may follow the photos of each batch (outlier exposure,
Hendrycks et al. 2019, arXiv:1812.04606). Some photos are then shrunk onto an outlier, as a distant
bird is in its frame.
"""

import functools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms import v2

from trainer.data.photo_folder import PhotoSet, spread
from trainer.recipe import Recipe
from trainer.utils import distributed

TRIES = 10  # at a crop that fits into the photo, as torchvision's RandomResizedCrop does
OUTLIER = -1  # the label of photos of none of the species
NO_BIRD = "no_bird"  # the kind of outliers that are backgrounds
PASTED = (0.3, 0.85)  # of the frame's side, how long a pasted photo is
PASTE_DRAWS = 5 + 2 * TRIES + 4  # whether, background, length, place, and the background's crop
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


class Batches:
    """The augmented batches of an epoch in random order.

    Draws depend on the seed, the epoch and the batch alone, so any device, any number of processes
    and any interruption give the same photos. Where several processes train, each changes its
    share of a batch. A last batch of a single photo is left out: batch norm cannot learn from it.

    Args:
        photos: of the training split.
        recipe: its seed, batch size, augmentation and device count.
        size: S, the side of the crops in pixels.
        epoch: counted from 0.
        outliers: follow the photos of each batch, some in each; None: none do.
    """

    def __init__(
        self,
        photos: PhotoSet,
        recipe: Recipe,
        size: int,
        epoch: int,
        outliers: PhotoSet | None = None,
    ) -> None:
        self.photos = resident(photos.array, recipe.device)
        self.labels = torch.from_numpy(photos.labels)
        self.recipe, self.size, self.seed = recipe, size, recipe.seed * 100_003 + epoch
        chosen = torch.from_numpy(photos_of_epoch(photos.labels, recipe))
        generator = torch.Generator().manual_seed(self.seed)
        if recipe.balance:
            chosen = balanced(chosen, self.labels, generator)
        order = chosen[torch.randperm(len(chosen), generator=generator)]
        parts = order.split(recipe.batch_size)
        self.indices = [p for p in parts if len(p) > 1 or recipe.batch_size == 1]
        self.outliers, self.beside = self.photos[:0], torch.empty(0, 0, dtype=torch.long)
        if outliers:
            self.outliers = resident(outliers.array, recipe.device)
            count = len(outliers.labels)
            self.backgrounds = torch.from_numpy(backgrounds_of(outliers)).to(recipe.device)
            # As many rounds through all outliers as the epoch takes, each in an order of its own.
            needed = recipe.outliers_per_batch * len(self.indices)
            orders = [torch.randperm(count, generator=generator) for _ in range(0, needed, count)]
            self.beside = torch.cat(orders)[:needed].view(len(self.indices), -1)

    def __len__(self) -> int:
        return len(self.indices)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        for number, indices in enumerate(self.indices):
            yield self.batch(indices, self.beside[number] if len(self.beside) else None)

    def batch(self, indices: Tensor, beside: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """This process's photos (N, S, S, 3) uint8 of a batch, and all its labels, int64.

        indices: of photos. beside: of outliers, which follow them with the label OUTLIER.
        """
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + int(indices[0]))
        labels, count = self.labels[indices], len(self.labels)
        rows = indices
        if beside is not None:
            rows = torch.cat([indices, count + beside])
            labels = torch.cat([labels, torch.full_like(beside, OUTLIER)])
        draws = torch.rand(len(rows), 2 * TRIES + 4 + 6, generator=generator)
        paste_draws = torch.rand(len(indices), PASTE_DRAWS, generator=generator)
        own, device = distributed.rank().shard(len(rows)), self.recipe.device
        birds, others = rows[own][rows[own] < count], rows[own][rows[own] >= count] - count
        photos = self.photos[birds.to(self.photos.device)].to(device)
        if len(others):
            strange = self.outliers[others.to(self.outliers.device)].to(device)
            photos = torch.cat([photos, strange])
        pixels = self.augmented(photos, draws[own].to(device), paste_draws[own].to(device))
        return pixels, labels.to(device)

    def augmented(self, photos: Tensor, draws: Tensor, paste_draws: Tensor) -> Tensor:
        """Change photos (N, H, H, 3) uint8 by draws from [0, 1): (N, S, S, 3) uint8.

        draws: (N, ...). paste_draws: (M, PASTE_DRAWS), of the first M photos, which may be pasted.
        """
        side, kind = photos.shape[1], self.recipe.augmentation
        if kind == "none":
            return squeezed(photos, self.size)
        crops = self.random_crops(draws[:, :-6], side)
        pixels = resized(photos, crops, self.size)
        if len(self.outliers):
            self.paste(pixels, paste_draws)
        if kind == "crops-and-colour":
            pixels = jittered(pixels, draws[:, -6:-3], draws[:, -3:])
        return pixels.round_().clamp_(0, 255).to(torch.uint8).transpose(1, 2).contiguous()

    def random_crops(self, draws: Tensor, side: int) -> Crops:
        """Crops as the recipe wants them."""
        return random_crops(draws, side, self.recipe.smallest_crop, self.recipe.largest_aspect)

    def paste(self, pixels: Tensor, draws: Tensor) -> None:
        """Shrink a share of pixels (N, S, S, 3) float onto backgrounds, in place.

        draws: (M, PASTE_DRAWS) from [0, 1), of the first M.
        """
        chosen = (draws[:, 0] < self.recipe.pasted).nonzero()[:, 0]
        if not len(chosen):
            return
        _, which, length, across, down = draws[chosen, :5].T
        grounds = self.backgrounds[(which * len(self.backgrounds)).long()]
        photos = self.outliers[grounds.to(self.outliers.device)].to(pixels.device)
        crops = self.random_crops(draws[chosen, 5:], photos.shape[1])
        shortest, longest = PASTED
        length = ((shortest + (longest - shortest) * length) * self.size).round()
        top, left = ((draw * (self.size - length + 1)).floor() for draw in (down, across))
        ground = resized(photos, crops, self.size)
        pixels[chosen] = laid_on(ground, pixels[chosen], top, left, length)


def balanced(chosen: Tensor, labels: Tensor, generator: torch.Generator) -> Tensor:
    """As many photos as `chosen`, as many of each class: some repeated, some left out at random."""
    classes = labels[chosen].unique()
    drawn = []
    for number, label in enumerate(classes):
        own = chosen[labels[chosen] == label]
        count = (len(chosen) + number) // len(classes)
        rounds = range(math.ceil(count / len(own)))
        orders = [torch.randperm(len(own), generator=generator) for _ in rounds]
        drawn.append(own[torch.cat(orders)[:count]] if count else own[:0])
    return torch.cat(drawn)


@functools.lru_cache(maxsize=2)  # photos and outliers
def resident(array: Path, device: str) -> Tensor:
    """The photos of an .npy file, (photos, H, H, 3) uint8: on a GPU with room, else mapped."""
    # Copied on write, since torch knows no memory that cannot be written; nobody writes.
    photos = torch.from_numpy(np.load(array, mmap_mode="c"))
    if device.startswith("cuda") and photos.nbytes < torch.cuda.mem_get_info(device)[0] / 2:
        return photos.to(device)
    return photos


def photos_of_epoch(labels: NDArray[np.int64], recipe: Recipe) -> NDArray[np.int64]:
    """Indices of the photos that an epoch is made of: all, or the recipe's number of a species."""
    if recipe.photos_per_species:
        return np.array(spread(labels, recipe.photos_per_species))
    return np.arange(len(labels))


def backgrounds_of(outliers: PhotoSet) -> NDArray[np.int64]:
    """Indices of the outliers without a bird; of all where none is said to be without."""
    if NO_BIRD not in outliers.species:
        return np.arange(len(outliers.labels))
    return np.flatnonzero(outliers.labels == outliers.species.index(NO_BIRD))


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
