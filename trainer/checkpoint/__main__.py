"""Write every checkpoint's model.onnx anew from its weights: `python -m trainer.checkpoint`.

    python -m trainer.checkpoint --data PHOTOS

For checkpoints that were exported before model.onnx held what it holds now. Weights, temperature
and history stay; report.json gets what is measured on the new file, on val and test photos.
"""

import json
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tyro

from plumage.contract import MODEL, REPORT
from trainer.checkpoint.saliency import open_network
from trainer.checkpoint.write import (
    OnCheckpoints,
    answers_of,
    calibrate_model,
    checkpoints_for,
    scored,
    write_model,
)
from trainer.data import SPLITS, PhotoFolder
from trainer.recipe import Recipe
from trainer.utils.cli import exit_status
from trainer.utils.files import replacing, write_json


@dataclass(frozen=True)
class Command(OnCheckpoints):
    """Write model.onnx anew from the weights that are there, and measure it."""

    variant: str = "all"
    """Which checkpoint, or all."""


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status: 0, 2 for what the user can mend, 130 if stopped."""
    command = tyro.cli(Command, prog="python -m trainer.checkpoint", args=arguments)
    return exit_status(partial(export_all, command))


def export_all(command: Command) -> None:
    """Export each checkpoint that is asked for; raises as `checkpoints_for`, `export_again` do."""
    source = PhotoFolder(Path(command.data))
    for name in checkpoints_for(source, command.checkpoints, command.variant):
        export_again(command.checkpoints / name, source, Path(command.output) / "cache")


def export_again(folder: Path, source: PhotoFolder, cache: Path) -> None:
    """Write model.onnx of one checkpoint, and into report.json what is measured on it.

    Raises:
        PhotoSetError: the photos cannot be read.
        ExportError: the exported graph does not compute what the network does.
    """
    report = json.loads((folder / REPORT).read_text())
    recipe = Recipe(**report["recipe"])
    photos = {split: source.load(split, recipe.image_size, cache) for split in SPLITS}
    network = open_network(folder, recipe, len(source.species))
    # The app may be serving the folder: the new file takes the old one's place with its thresholds.
    with replacing(folder / MODEL) as model:
        report["export_differences"] |= write_model(network, recipe, photos, model)
        answers = {split: answers_of(model, photos[split]) for split in ("val", "test")}
        report |= calibrate_model(model, report["temperature"], photos, answers)
    report["metrics"] |= {split: scored(photos[split], answers[split]) for split in answers}
    write_json(folder / REPORT, report)
    accepted = report["novelty"]["accepted"]["test"]
    print(f"{folder.name:10} written; takes {accepted:.1%} of test photos for its birds")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
