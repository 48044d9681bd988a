"""Give saliency.onnx to the checkpoints that lack it: `python -m trainer.checkpoint.saliency`.

    python -m trainer.checkpoint.saliency --data PHOTOS

Training writes it by itself; older checkpoints, and those whose weights were replaced, get theirs
here (trainer/checkpoint/saliency_onnx.py).
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import tyro

from trainer.checkpoint.reports import OnCheckpoints, checkpoints_for
from trainer.data import PhotoFolder
from trainer.recipe import Recipe
from trainer.utils.cli import exit_status, importing


@dataclass(frozen=True)
class Command(OnCheckpoints):
    """Write saliency.onnx where it is missing or of other weights, checked on val photos."""


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status: 0, 2 for a user error, 130 if stopped."""
    command = tyro.cli(Command, prog="python -m trainer.checkpoint.saliency", args=arguments)
    return exit_status(partial(export_all, command))


def export_all(command: Command) -> None:
    """Write each saliency.onnx that is missing; raises as `checkpoints_for` does, ExportError."""
    source = PhotoFolder(Path(command.data))
    reports = checkpoints_for(source, command.checkpoints)
    with importing():
        from trainer.checkpoint.saliency_onnx import export_saliency, is_current
        from trainer.checkpoint.write import open_network
    for name, report in reports.items():
        folder, recipe = command.checkpoints / name, Recipe.from_report(report["recipe"])
        if is_current(folder):
            print(f"{name:10} is up to date")
            continue
        network = open_network(folder, recipe, len(report["species"]))
        val = source.load("val", recipe.image_size, Path(command.output) / "cache")
        difference = export_saliency(network, folder, val.pixels[:: max(1, len(val.labels) // 8)])
        print(f"{name:10} differs from torch by {difference:.1g}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
