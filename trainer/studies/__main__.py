"""Families of runs that answer one question each, repeated by one command.

    python -m trainer.studies norms --data PHOTOS
    python -m trainer.studies --list

What is done already is skipped, also where only the table that came with the program tells of it;
what was interrupted is resumed, and several of these commands started side by side share the work:
on two cores, two of them with OMP_NUM_THREADS=1 each. With --cluster the runs are spread over the
machines of a Ray cluster (trainer/studies/ray.py). The answer is one tidy table,
checkpoints/results/studies/NAME.csv, in whose last row of a run that diverged the loss is missing;
beside it NAME.json says what all runs have in common, and what they show.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from plumage import contract
from trainer.checkpoint.reports import CheckpointArgs
from trainer.recipe import CHECKPOINTS, Recipe
from trainer.studies.definitions import STUDIES
from trainer.utils.cli import RESUME_HINT, command_line, importing


@dataclass(frozen=True)
class Command:
    """Run a study: every run that it lacks, then its table."""

    name: Annotated[
        str | None,
        tyro.conf.Positional,
        tyro.conf.arg(constructor=tyro.extras.literal_type_from_choices(STUDIES)),
    ] = None
    """Which study."""
    data: str = Recipe.data
    """Folder of photos; what it lacks of train, val and test is that of the checkpoints."""
    output: str = Recipe.output
    """Folder in which the runs are kept."""
    checkpoints: Path = CHECKPOINTS
    """Folder of the checkpoints; the table is written into its results/studies."""
    cluster: str | None = None
    """Make the runs on a Ray cluster: HOST:PORT of its head, `auto` for the one that runs here."""
    list: bool = False
    """Say which studies there are."""


def run(command: Command) -> None:
    """Run the study, or list all.

    Raises:
        PhotoSetError: the photos cannot be read.
        TrainingError: as `run_study` does.
    """
    if command.list or command.name is None:
        for name, study in STUDIES.items():
            print(f"{name:18} {study.planned():3} runs or more  {study.question}")
        return
    source = CheckpointArgs(command.data, command.output, command.checkpoints).photo_set
    source.check()
    with importing():
        from trainer.studies.runs import run_study
    tables = command.checkpoints / contract.RESULTS / contract.STUDIES
    own = None if command.checkpoints == CHECKPOINTS else tables
    output, table = Path(command.output), source.split_table
    run_study(command.name, source.root, output, command.cluster, table, own)


main = command_line(Command, run, "trainer.studies", RESUME_HINT)

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
