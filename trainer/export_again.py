"""Write every checkpoint's model.onnx anew from its weights: `python -m trainer.export_again`.

    python -m trainer.export_again --data PHOTOS

For checkpoints that were exported before model.onnx held what it holds now. Weights, temperature
and history stay; report.json gets what is measured on the new file, on val and test photos.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import tyro

from trainer.checkpoint import (
    OnCheckpoints,
    answers_of,
    calibrate_model,
    check_species,
    read_reports,
    scored,
    write_model,
)
from trainer.export import ExportError
from trainer.files import write_json
from trainer.photos import SPLITS, PhotoFolder, PhotoSetError
from trainer.recipe import Recipe
from trainer.saliency import open_network


@dataclass(frozen=True)
class Command(OnCheckpoints):
    """Write model.onnx anew from the weights that are there, and measure it."""

    variant: str = "all"
    """Which checkpoint, or all."""


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status: 0, or 2 for what the user can mend."""
    command = tyro.cli(Command, prog="python -m trainer.export_again", args=arguments)
    source = PhotoFolder(Path(command.data))
    names = list(read_reports(command.checkpoints))
    if command.variant != "all":
        names = [name for name in names if name == command.variant]
    if not names:
        print(f"{command.checkpoints} holds no such checkpoint.", file=sys.stderr)
        return 2
    try:
        source.check()
        for name in names:
            export_again(command.checkpoints / name, source, Path(command.output) / "cache")
    except (PhotoSetError, ExportError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def export_again(folder: Path, source: PhotoFolder, cache: Path) -> None:
    """Write model.onnx of one checkpoint, and into report.json what is measured on it.

    Raises:
        PhotoSetError: the photos cannot be read, or are of other species than the checkpoint's.
        ExportError: the exported graph does not compute what the network does.
    """
    report = json.loads((folder / "report.json").read_text())
    check_species(folder.name, report, source)
    recipe, model = Recipe(**report["recipe"]), folder / "model.onnx"
    photos = {split: source.load(split, recipe.image_size, cache) for split in SPLITS}
    network = open_network(folder, recipe, len(source.species))
    report["export_differences"] |= write_model(network, recipe, photos, model)
    answers = {split: answers_of(model, photos[split]) for split in ("val", "test")}
    report |= calibrate_model(model, report["temperature"], photos, answers)
    report["metrics"] |= {split: scored(photos[split], answers[split]) for split in answers}
    write_json(folder / "report.json", report)
    accepted = report["novelty"]["accepted"]["test"]
    print(f"{folder.name:10} written; takes {accepted:.1%} of test photos for its birds")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
