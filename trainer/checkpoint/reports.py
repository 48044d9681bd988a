"""The checkpoints that are there, by their report.json. Imports no torch."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from plumage.contract import REPORT, SPLIT_TABLE
from trainer.data.demo import photo_folder
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSetError
from trainer.recipe import CHECKPOINTS, Recipe
from trainer.utils.cli import UserError


class CheckpointError(UserError):
    """A checkpoint that is not there; the message says what to do about it."""


@dataclass(frozen=True)
class CheckpointArgs:
    """The flags of commands that work on every checkpoint."""

    data: str = Recipe.data
    """Folder of the photos that the checkpoints were trained with."""
    output: str = Recipe.output
    """Folder in which decoded photos are kept."""
    checkpoints: Path = CHECKPOINTS
    """Folder of the checkpoints."""

    @property
    def photo_set(self) -> PhotoFolder:
        """The photo set, with the splits that the checkpoints were made with if it lacks its own.

        Raises: PhotoSetError where the folder cannot be read.
        """
        source = PhotoFolder(photo_folder(self.data, Path(self.output)))
        tables = sorted(self.checkpoints.glob(f"*/{SPLIT_TABLE}"))
        return PhotoFolder(source.root, tables[0]) if source.missing and tables else source


def read_reports(checkpoints: Path) -> dict[str, dict[str, Any]]:
    """Every checkpoint's report.json, by the name of its folder."""
    paths = sorted(checkpoints.glob(f"*/{REPORT}"))
    return {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}


def best_on_val(checkpoints: Path) -> str:
    """The name of the checkpoint that is most accurate on val photos.

    Raises: CheckpointError where there is none.
    """
    reports = read_reports(checkpoints)
    if not reports:
        raise _none_there(checkpoints)
    return max(reports, key=lambda name: reports[name]["metrics"]["val"]["accuracy"]["value"])


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
        raise _none_there(checkpoints, "" if variant == "all" else f" {variant}")
    for name, report in reports.items():
        if report["species"] != list(source.species):
            raise PhotoSetError(
                f"{source.root} holds other species than the checkpoint {name}: --data names a "
                "folder of the same species."
            )
    return reports


def _none_there(checkpoints: Path, name: str = "") -> CheckpointError:
    return CheckpointError(
        f"{checkpoints} holds no checkpoint{name}: --checkpoints names the folder that they are "
        "in, and python -m trainer makes one."
    )
