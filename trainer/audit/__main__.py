"""Find the faults of a photo set before a network learns them.

    python -m trainer.audit PHOTOS
    python -m trainer.audit PHOTOS --clean-copy CLEAN

prints a page of text and leaves it in runs/audit, beside a page with examples (audit.html) and a
table of every finding (audit.csv). --clean-copy writes a clean copy; the photos themselves are only
read.
"""

import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from plumage.contract import MODEL
from trainer.checkpoint.reports import CheckpointError, best_on_val
from trainer.data.demo import photo_folder
from trainer.data.photo_set import PhotoSetError
from trainer.recipe import CHECKPOINTS, Recipe
from trainer.utils.cli import command_line, importing


@dataclass(frozen=True)
class Command:
    """Look for duplicates, borders, shortcuts, wrong labels and poor photos in a photo set."""

    data: tyro.conf.Positional[Path]
    """Folder with one folder of photos a class, or with train/, test/ ... of such folders."""
    fix: Annotated[Path | None, tyro.conf.arg(aliases=["--clean-copy"])] = None
    """Write a clean copy into this folder, which is new or empty and outside the photos'."""
    output: Path = Path(Recipe.output)
    """Folder in which decoded photos are kept and audit/ is written."""
    checkpoints: Path = CHECKPOINTS
    """Folder of the checkpoints."""
    variant: str | None = None
    """The checkpoint that is asked about labels (by default the best on val photos)."""


def run(command: Command) -> None:
    """Audit the photos.

    Raises:
        PhotoSetError: the photos cannot be read, or a result cannot be written.
        CheckpointError: there is no such checkpoint.
    """
    variant = command.variant or best_on_val(command.checkpoints)
    model = command.checkpoints / variant / MODEL
    if not model.exists():
        raise CheckpointError(f"{model} is missing: name another --variant or --checkpoints.")
    data = photo_folder(str(command.data), command.output)
    if not data.is_dir():
        raise PhotoSetError(f"{data} is not a folder.")
    with importing():
        from trainer.audit.report import audit
    audit(data, command.fix, command.output, command.checkpoints, variant)


main = command_line(Command, run, "trainer.audit", "the photos are as they were.")

if __name__ == "__main__":
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # so that the clean copy is cleared up
    sys.exit(main(sys.argv[1:]))
