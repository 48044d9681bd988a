"""Decoded photos -> augmented batches, the same ones whoever makes them."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.transforms import InterpolationMode, v2

from trainer.data import PhotoSet
from trainer.recipe import Recipe
from trainer.utils import distributed as processes


def augmentation(kind: str, size: int, smallest_crop: float) -> v2.Transform:
    """The random change that each training photo undergoes: (3, H, W) uint8 -> (3, size, size)."""
    if kind == "none":
        return v2.Resize((size, size), InterpolationMode.BICUBIC, antialias=True)

    def crop(interpolation: InterpolationMode, antialias: bool) -> v2.Transform:
        return v2.RandomResizedCrop(
            size,
            (smallest_crop, 1.0),
            (0.8, 1.25),
            interpolation=interpolation,
            antialias=antialias,
        )

    # Several filters, so that the network does not depend on how a photo was shrunk.
    crops = [
        crop(InterpolationMode.BILINEAR, True),
        crop(InterpolationMode.BICUBIC, True),
        crop(InterpolationMode.BILINEAR, False),
    ]
    steps: list[v2.Transform] = [v2.RandomChoice(crops), v2.RandomHorizontalFlip()]
    if kind == "crops-and-colour":
        steps.append(v2.ColorJitter(brightness=0.3, contrast=0.3, saturation=0.3))
    return v2.Compose(steps)


class TrainingBatches(Dataset):
    """Augmented batches for a DataLoader.

    Draws depend on the seed, the epoch and the batch alone, so any number of worker processes
    and any interruption give the same photos. Where several processes train, each reads and changes
    its share of a batch, and makes the draws of the other photos without them.
    """

    def __init__(self, photos: PhotoSet, recipe: Recipe, size: int, epoch: int) -> None:
        self.photos, self.size = photos, size
        self.seed = recipe.seed * 100_003 + epoch
        self.transform = augmentation(recipe.augmentation, size, recipe.smallest_crop)
        self.place = processes.place()

    def __len__(self) -> int:
        return len(self.photos.labels)

    def __getitems__(self, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
        """This process's photos (N, size, size, 3) uint8 of a batch, and all its labels, int64."""
        torch.manual_seed(self.seed * 1_000_003 + indices[0])
        own = range(*self.place.share(len(indices)).indices(len(indices)))
        batch = torch.empty(len(own), self.size, self.size, 3, dtype=torch.uint8)
        pixels = self.photos.pixels
        no_photo = torch.empty(0, 3, *pixels.shape[1:3], dtype=torch.uint8)
        for row, index in enumerate(indices):
            if row in own:
                photo = torch.from_numpy(pixels[index].copy()).permute(2, 0, 1)
                batch[row - own.start] = self.transform(photo).permute(1, 2, 0)
            else:
                self.transform(no_photo)
        return batch, torch.from_numpy(self.photos.labels[list(indices)])
