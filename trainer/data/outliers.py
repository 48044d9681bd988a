"""Photos of none of the species, to train with or to measure novelty by."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from plumage.folders import OUTSIDE_CLASSES, PhotoSetListing, list_photos
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSetError

OUTLIERS = "outliers"  # the split of photos of none of the species
OUTLIER_LAYOUT = (
    "--outliers names a folder of photos of none of the species, in a folder for each kind."
)


@dataclass(frozen=True)
class OutlierFolder(PhotoFolder):
    """Photos of none of the species on disk, in a folder for each kind, which `species` names."""

    splits = (OUTLIERS,)

    @cached_property
    def listing(self) -> PhotoSetListing:
        """All photos, as those of one split."""
        try:
            found = list_photos(self.root)
        except OSError as error:
            raise PhotoSetError(
                f"{self.root} cannot be read ({error.strerror}): {OUTLIER_LAYOUT}"
            ) from error
        inside = [photo for photo in found.photos if len(photo.parts) > 1]
        outside = [photo for photo in found.photos if len(photo.parts) == 1]
        paths = {Path(OUTLIERS) / photo: photo for photo in inside}
        left_out = found.left_out | {OUTSIDE_CLASSES: outside}
        return PhotoSetListing(self.root, {OUTLIERS: list(paths)}, paths, left_out)

    @cached_property
    def species(self) -> tuple[str, ...]:
        """Names of the kinds, sorted."""
        return tuple(sorted({file.parts[1] for file in self.files[OUTLIERS]}))

    def check(self) -> None:
        """Raise PhotoSetError unless there is a photo in a folder."""
        if not self.species:
            raise PhotoSetError(f"{self.root} has no photos in a folder: {OUTLIER_LAYOUT}")
