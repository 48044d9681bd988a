"""Give saliency.onnx to the checkpoints that lack it: `python -m trainer.checkpoint.saliency`.

    python -m trainer.checkpoint.saliency --data PHOTOS

Training writes it by itself; older checkpoints, and those whose weights were replaced, get theirs
here (trainer/checkpoint/export/saliency_onnx.py).
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from trainer.checkpoint.reports import CheckpointArgs, checkpoints_for
from trainer.recipe import Recipe
from trainer.utils.cli import command_line, importing


@dataclass(frozen=True)
class Command(CheckpointArgs):
    """Write saliency.onnx where it is missing or of other weights, checked on val photos."""


def export_all(command: Command) -> None:
    """Write each saliency.onnx that is missing; raises as `checkpoints_for` does, ExportError."""
    source = command.photo_set
    reports = checkpoints_for(source, command.checkpoints)
    with importing():
        from trainer.checkpoint.export.saliency_onnx import export_saliency, is_current
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


main = command_line(Command, export_all, "trainer.checkpoint.saliency")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
