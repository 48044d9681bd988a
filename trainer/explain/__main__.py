"""Measure the faithfulness of heatmaps, and gather a gallery of them.

    python -m trainer.explain --data PHOTOS --variant all

writes two things into the checkpoints' results/: gallery/, the most telling test photos of some
species with their heatmaps, which the app's Explain page shows and git ignores; and explain.json,
numbers only.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from trainer.checkpoint.reports import CheckpointArgs, checkpoints_for
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSetError
from trainer.utils.cli import command_line, importing

SPECIES = (
    "Cattle-Egret",
    "Coppersmith-Barbet",
    "Indian-Peacock",
    "Red-Wattled-Lapwing",
    "Ruddy-Shelduck",
    "White-Breasted-Kingfisher",
    "White-Breasted-Waterhen",
)


@dataclass(frozen=True)
class Command(CheckpointArgs):
    """Measure the heatmaps of checkpoints on test photos, and gather a gallery."""

    variant: str = "all"
    """Which checkpoint, or all; the numbers of the others stay as they are."""
    species: tuple[str, ...] | None = None
    """Species of the gallery; None: seven of the 25 birds, of other photos the first seven."""
    photos: int = 200
    """Test photos that are measured, spread evenly over the species."""


def run(command: Command) -> None:
    """Write the gallery and the numbers.

    Raises:
        PhotoSetError: the photos cannot be read, are of other species than a checkpoint's, or there
            are none of a species asked for.
        CheckpointError: there is no such checkpoint.
    """
    source = command.photo_set
    reports = checkpoints_for(source, command.checkpoints, command.variant)
    wanted = gallery_species(command.species, source)
    with importing():
        from trainer.explain.measures import explain
    cache = Path(command.output) / "cache"
    explain(source, command.checkpoints, reports, wanted, command.photos, cache)


def gallery_species(named: tuple[str, ...] | None, source: PhotoFolder) -> list[str]:
    """The species of the gallery; raises PhotoSetError where one that was named is missing."""
    if unknown := sorted(set(named or ()) - set(source.species)):
        raise PhotoSetError(f"{source.root} holds no photos of {', '.join(unknown)}.")
    found = [name for name in source.species if name in (SPECIES if named is None else named)]
    return found or list(source.species[: len(SPECIES)])


main = command_line(Command, run, "trainer.explain")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
