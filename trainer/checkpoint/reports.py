"""The checkpoints that are there, by their report.json. Imports no torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plumage.contract import REPORT
from trainer.data import PhotoFolder, PhotoSetError
from trainer.recipe import CHECKPOINTS, Recipe
from trainer.utils.cli import UserError


class CheckpointError(UserError):
    """A checkpoint that is not there; the message says what to do about it."""


@dataclass(frozen=True)
class CheckpointArgs:
    """What commands take that work on every checkpoint."""

    data: str = Recipe.data
    """Folder with train/, val/ and test/ inside, each with one folder of photos a species."""
    output: str = Recipe.output
    """Folder in which decoded photos are kept."""
    checkpoints: Path = CHECKPOINTS
    """Folder of the checkpoints."""


def read_reports(checkpoints: Path) -> dict[str, dict[str, Any]]:
    """Every checkpoint's report.json, by the name of its folder."""
    paths = sorted(checkpoints.glob(f"*/{REPORT}"))
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def checkpoints_for(
    source: PhotoFolder, checkpoints: Path, variant: str = "all"
) -> dict[str, dict[str, Any]]:
    """The reports of the checkpoints that are to answer photos, or of one, by name.

    Raises:
        PhotoSetError: the photos cannot be read, or are of other species than a checkpoint's.
        CheckpointError: there is no such checkpoint.
    """
    source.check()
    found = read_reports(checkpoints)
    reports = {name: report for name, report in found.items() if variant in ("all", name)}
    if not reports:
        raise CheckpointError(
            f"{checkpoints} holds no checkpoint{'' if variant == 'all' else f' {variant}'}: "
            "--checkpoints names the folder that they are in, and python -m trainer makes one."
        )
    for name, report in reports.items():
        if report["species"] != list(source.species):
            raise PhotoSetError(
                f"{source.root} holds other species than the checkpoint {name}: --data names a "
                "folder of the same species."
            )
    return reports
