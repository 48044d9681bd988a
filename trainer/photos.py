"""ImageFolder -> decoded once into a memory-mapped uint8 array -> augmented batches."""

import hashlib
import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from filelock import FileLock
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor
from torch.utils.data import Dataset
from torchvision.datasets.folder import IMG_EXTENSIONS
from torchvision.transforms import InterpolationMode, v2
from tqdm import tqdm

from trainer import processes
from trainer.files import replacing
from trainer.recipe import Recipe

SPLITS = ("train", "val", "test")


class PhotoSetError(Exception):
    """A photo folder that cannot be trained on; the message says what to do about it."""


@dataclass(frozen=True)
class PhotoSet:
    """The photos of one split, squeezed to squares.

    Attributes:
        array: .npy file of the pixels.
        labels: (photos,) int64, indices into `species`.
        species: names of the species, sorted.
        skipped: files that could not be read.
        fingerprint: hexadecimal digest of the files' names and bytes.
    """

    array: Path
    labels: NDArray[np.int64]
    species: tuple[str, ...]
    skipped: tuple[str, ...]
    fingerprint: str

    @property
    def pixels(self) -> NDArray[np.uint8]:
        """(photos, size, size, 3) uint8, mapped from the file, so that no process copies them."""
        return np.load(self.array, mmap_mode="r")


@dataclass(frozen=True)
class PhotoFolder:
    """A folder in torchvision's ImageFolder layout: train/, val/, test/, a folder a species."""

    root: Path

    @cached_property
    def files(self) -> dict[str, list[Path]]:
        """Photo files of each split, sorted, relative to the folder."""
        return {
            split: sorted(
                file.relative_to(self.root)
                for file in (self.root / split).glob("*/*")
                if file.suffix.lower() in IMG_EXTENSIONS
            )
            for split in SPLITS
        }

    @cached_property
    def species(self) -> tuple[str, ...]:
        """Names of the training split's folders, sorted: the order of the logits."""
        return tuple(sorted(p.name for p in (self.root / "train").iterdir() if p.is_dir()))

    def check(self) -> None:
        """Raise PhotoSetError unless every split holds photos of the same species."""
        if missing := [split for split in SPLITS if not (self.root / split).is_dir()]:
            raise PhotoSetError(
                f"{self.root} has no folder {missing[0]}: --data names a folder with train, val "
                "and test inside, each with one folder of photos a species; the photos of 25 "
                'Indian birds are to be had from Kaggle ("25 Indian bird species").'
            )
        if len(self.species) < 2:
            raise PhotoSetError(
                f"{self.root / 'train'} has {len(self.species)} species folders: two are needed."
            )
        for split in SPLITS:
            found = {file.parts[1] for file in self.files[split]}
            if lacking := sorted(set(self.species) - found):
                raise PhotoSetError(
                    f"{self.root / split} has no photo of {', '.join(lacking)}: add photos "
                    "(JPEG, PNG, WebP) or remove the species from every split."
                )
            if unknown := sorted(found - set(self.species)):
                raise PhotoSetError(
                    f"{self.root / split} has {', '.join(unknown)}, which "
                    f"{self.root / 'train'} lacks: the splits must hold the same species."
                )

    def load(self, split: str, size: int, cache: Path) -> PhotoSet:
        """Photos of a split squeezed to `size` x `size`, decoded once and kept below `cache`.

        The kept copy is made anew when a file was added, removed or changed. Several processes may
        ask at once: one decodes, the others wait for it.

        Raises:
            PhotoSetError: no photo can be read, or the disk is full.
        """
        files = self.files[split]
        stats = [(self.root / file).stat() for file in files]
        state = [[str(f), s.st_size, s.st_mtime_ns] for f, s in zip(files, stats, strict=True)]
        key = hashlib.sha256(json.dumps(state).encode()).hexdigest()[:16]
        home = cache / hashlib.sha256(str(self.root.resolve()).encode()).hexdigest()[:8]
        stem = f"{split}-{size}"
        array, index = home / f"{stem}-{key}.npy", home / f"{stem}-{key}.json"
        try:
            home.mkdir(parents=True, exist_ok=True)
            with FileLock(home / f"{stem}.lock"):
                if not array.exists():
                    self._decode(split, size, array, index)
                    for old in home.glob(f"{stem}-*"):
                        if key not in old.name:
                            old.unlink()
        except OSError as error:
            raise PhotoSetError(
                f"The decoded photos could not be kept in {home} ({error.strerror}): make room "
                "there, or name another folder with --output."
            ) from error
        kept = json.loads(index.read_text())
        skipped = set(kept["skipped"])
        good = [file for file in files if str(file) not in skipped]
        labels = np.array([self.species.index(file.parts[1]) for file in good], dtype=np.int64)
        return PhotoSet(array, labels, self.species, tuple(kept["skipped"]), kept["fingerprint"])

    def _decode(self, split: str, size: int, array: Path, index: Path) -> None:
        """Squeeze every photo of a split; the array is written last: where it is, all is done."""
        files = self.files[split]

        def squeeze(file: Path) -> tuple[NDArray[np.uint8] | None, str]:
            path = self.root / file
            digest = hashlib.sha256(path.read_bytes()).hexdigest()
            try:
                return read_squeezed(path, size), digest
            except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
                return None, digest

        skipped, digests, kept = [], [], 0
        with replacing(array) as temporary:
            pixels = _allocate(temporary, (len(files), size, size, 3))
            with ThreadPoolExecutor(os.cpu_count()) as pool:
                results = pool.map(squeeze, files)
                label = f"decoding {split} photos to {size} px"
                for file, (square, digest) in tqdm(
                    zip(files, results, strict=True), label, len(files), unit=" photos"
                ):
                    digests.append(f"{file} {digest}")
                    if square is None:
                        skipped.append(str(file))
                    else:
                        pixels[kept] = square
                        kept += 1
            if not kept:
                raise PhotoSetError(f"None of the photos in {self.root / split} can be read.")
            pixels.flush()
            del pixels
            if skipped:
                _shorten(temporary, kept)
            summary = {
                "skipped": skipped,
                "fingerprint": hashlib.sha256("\n".join(digests).encode()).hexdigest(),
            }
            with replacing(index) as temporary_index:
                temporary_index.write_text(json.dumps(summary))


def read_squeezed(path: Path, size: int) -> NDArray[np.uint8]:
    """A photo's file -> (size, size, 3) uint8 RGB, upright; raises what Pillow does."""
    with Image.open(path) as opened:
        photo = ImageOps.exif_transpose(opened).convert("RGB")
    # The app squeezes with the same filter: another one costs 1 to 3 points.
    return np.asarray(photo.resize((size, size), Image.Resampling.BICUBIC))


def _allocate(path: Path, shape: tuple[int, ...]) -> np.memmap:
    """A new .npy file mapped for writing, its blocks reserved: a full disk is an error here and
    now, not a crash at some later page."""
    pixels = np.lib.format.open_memmap(path, mode="w+", dtype=np.uint8, shape=shape)
    with path.open("r+b") as file:
        os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return pixels


def _shorten(path: Path, kept: int) -> None:
    """Rewrite a .npy file with its first `kept` rows only."""
    whole = np.load(path, mmap_mode="r")
    with replacing(path.with_suffix(".kept")) as temporary:
        short = _allocate(temporary, (kept, *whole.shape[1:]))
        short[:] = whole[:kept]
        short.flush()
    path.with_suffix(".kept").replace(path)


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
