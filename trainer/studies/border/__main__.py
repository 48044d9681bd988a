"""Measure black corners as a shortcut: train with and without them, test on clean photos.

    python -m trainer.studies.border --data PHOTOS

The published photos of 8 of the 25 species are rotated by a random angle and have black corners.
This command copies a clean photo set with such corners, trains `bn` on both with one short recipe,
and tests both networks on clean photos: checkpoints/results/border.json. Commands side by side
share the runs and resume interrupted ones.

Random crops cut most corners off, while the set was published for training on whole photos.
Therefore one pair of runs has no augmentation, and one has crops.
"""

import sys
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from trainer.checkpoint.reports import CheckpointArgs
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSetError
from trainer.recipe import CHECKPOINTS, Recipe
from trainer.studies.border.measure import TRAINED, Row, Versions, compare
from trainer.studies.border.photos import DEGREES, SHARES, SPECIES, write_bordered
from trainer.studies.runs import run_if_free
from trainer.studies.study import Study
from trainer.studies.tables import finished
from trainer.utils.cli import RESUME_HINT, command_line
from trainer.utils.files import write_json
from trainer.utils.system import prepare
from trainer.verdicts.border import conclude

QUESTION = "What do black corners on the photos of some species do to a network?"
# Whole photos need not be kept larger than the network sees them.
BASE = replace(Recipe(), image_size=64, epochs=6, photos_per_species=500)
WAYS: tuple[dict[str, Any], ...] = (
    {"augmentation": "none", "stored_size": BASE.image_size},
    {"augmentation": "crops"},
)


@dataclass(frozen=True)
class Command:
    """Train on photos with borders and without, and test both networks on clean photos."""

    data: str = Recipe.data
    """Folder of photos; what it lacks of train, val and test is that of the checkpoints."""
    output: str = Recipe.output
    """Folder in which the bordered copy and the runs are kept."""
    checkpoints: Path = CHECKPOINTS
    """Folder that gets border.json."""
    species: tuple[str, ...] = SPECIES
    """Species that get a border."""


def shortcut(command: Command) -> None:
    """Make the bordered copy and the runs that are missing, and measure each finished pair.

    Raises:
        PhotoSetError: the photos cannot be read, or there are none of a species asked for.
        TrainingError: --output holds runs or a copy of other photos, species or recipes.
        TrainingError, ExportError: as `train_run` and `write_checkpoint` do.
    """
    prepare()
    source = CheckpointArgs(command.data, command.output, command.checkpoints).photo_set
    home = Path(command.output) / "shortcut"
    source.check()
    if unknown := sorted(set(command.species) - set(source.species)):
        raise PhotoSetError(
            f"{source.root} holds no photos of {', '.join(unknown)}: name others with --species."
        )
    copy = PhotoFolder(home / "photos")
    write_bordered(source, command.species, copy.root)
    study = Study(QUESTION, replace(BASE, output=command.output), (), checkpoints=True)
    for way, trained in product(WAYS, TRAINED):
        photos = copy if trained == "bordered" else source
        recipe = replace(study.base, **way, data=str(photos.root))
        run_if_free(study, home / f"{recipe.augmentation}-{trained}", recipe, photos)
    versions = Versions(source, copy, command.species, study.base)
    rows: dict[str, list[Row]] = {"rows": [], "changes": [], "heatmaps": []}
    for way in WAYS:
        augmentation = way["augmentation"]
        folders = [home / f"{augmentation}-{trained}" for trained in TRAINED]
        if all(map(finished, folders)):
            for table, found in compare(versions, *folders).items():
                rows[table] += [{"augmentation": augmentation, **row} for row in found]
    result = {
        "recipe": study.base.as_dict(),
        "species": list(command.species),
        "shares": SHARES,
        "degrees": DEGREES,
        "corner_share": float(versions.corners[versions.bordered].mean()),
        **rows,
    }
    if rows["rows"]:
        path = command.checkpoints / "results" / "border.json"
        write_json(path, conclude(result), indent=None)


main = command_line(Command, shortcut, "trainer.studies.border", RESUME_HINT)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
