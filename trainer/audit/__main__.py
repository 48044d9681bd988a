"""What is wrong with a photo set, before a network learns it.

    python -m trainer.audit PHOTOS
    python -m trainer.audit PHOTOS --fix CLEAN

prints a page of text and leaves it in runs/audit, beside a page with examples (audit.html) and a
table of every finding (audit.csv). --fix writes a clean copy; the photos themselves are only read.
"""

import signal
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pandas as pd
import tyro

from plumage.contract import MODEL
from trainer.audit.findings import Findings, examine
from trainer.audit.page import page
from trainer.audit.repair import MANIFEST, check_target, repair
from trainer.audit.survey import survey
from trainer.audit.text import summary
from trainer.data import PhotoSetError
from trainer.recipe import CHECKPOINTS, Recipe
from trainer.state import TrainingError
from trainer.utils.cli import exit_status
from trainer.utils.files import replacing


@dataclass(frozen=True)
class Command:
    """Look for duplicates, borders, shortcuts, wrong labels and poor photos in a photo set."""

    data: tyro.conf.Positional[Path]
    """Folder with splits inside (train, test, ...), each with one folder of photos a species."""
    fix: Path | None = None
    """Write a clean copy into this folder, which is new or empty and outside the photos'."""
    output: Path = Path(Recipe.output)
    """Folder in which decoded photos are kept and audit/ is written."""
    checkpoints: Path = CHECKPOINTS
    """Folder of the checkpoints."""
    variant: str = "bin"
    """The checkpoint that is asked about labels."""


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status: 0, 2 for what the user can mend, 130 if stopped."""
    command = tyro.cli(Command, prog="python -m trainer.audit", args=arguments)
    return exit_status(partial(audit, command), "The photos are as they were.")


def audit(command: Command) -> None:
    """Examine the photos, write what was found, and the clean copy if one is asked for.

    Raises:
        PhotoSetError: the photos cannot be read, or a result cannot be written.
        TrainingError: there is no such checkpoint.
    """
    model = command.checkpoints / command.variant / MODEL
    if not model.exists():
        raise TrainingError(f"{model} is missing: name another --variant or --checkpoints.")
    if not command.data.is_dir():
        raise PhotoSetError(f"{command.data} is not a folder.")
    if command.fix:
        check_target(command.data, command.fix)
    photos = survey(command.data, command.output / "cache")
    findings = examine(photos, command.checkpoints, command.variant)
    home = command.output / "audit"
    try:
        write(findings, home)
    except OSError as error:
        raise PhotoSetError(
            f"The audit could not be written to {home} ({error.strerror}): make room there, or "
            "name another folder with --output."
        ) from error
    print(summary(findings))
    print(f"Examples: {home / 'audit.html'}. Every finding: {home / 'audit.csv'}.")
    if command.fix:
        kept = sum(row.new is not None for row in repair(findings, command.fix))
        print(
            f"{command.fix} holds {kept:,} clean photos; its {MANIFEST} says what became of each."
        )


def write(findings: Findings, home: Path) -> None:
    """Write audit.txt, audit.html and audit.csv."""
    with replacing(home / "audit.txt") as temporary:
        temporary.write_text(summary(findings), encoding="utf-8")
    with replacing(home / "audit.html") as temporary:
        temporary.write_text(page(findings), encoding="utf-8")
    table = pd.DataFrame(findings.rows(), columns=["file", "finding", "more"])
    with replacing(home / "audit.csv") as temporary:
        table.to_csv(temporary, index=False)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # so that --fix clears up after it
    sys.exit(main(sys.argv[1:]))
