"""Decoded photos -> augmented batches, made on the device that trains.

The photos stay on the device as uint8; `augment` changes a batch as a whole.

Outliers, photos of none of the species, may follow the photos of each batch (outlier exposure,
Hendrycks et al. 2019, arXiv:1812.04606). Some photos are then shrunk onto an outlier, as a distant
bird is in its frame.
"""

import functools
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainer.data.augment import TRIES, Crops, jittered, laid_on, random_crops, resized, squeezed
from trainer.data.photo_set import PhotoSet, stratified_subset
from trainer.recipe import Recipe
from trainer.utils import distributed

OUTLIER = -1  # the label of photos of none of the species
NO_BIRD = "no_bird"  # the kind of outliers that are backgrounds
PASTED = (0.3, 0.85)  # of the frame's side, how long a pasted photo is
PASTE_DRAWS = 5 + 2 * TRIES + 4  # whether, background, length, place, and the background's crop


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
        return np.array(stratified_subset(labels, recipe.photos_per_species))
    return np.arange(len(labels))


def backgrounds_of(outliers: PhotoSet) -> NDArray[np.int64]:
    """Indices of the outliers without a bird; of all where none is said to be without."""
    if NO_BIRD not in outliers.species:
        return np.arange(len(outliers.labels))
    return np.flatnonzero(outliers.labels == outliers.species.index(NO_BIRD))
