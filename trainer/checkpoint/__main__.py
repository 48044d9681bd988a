"""Export every checkpoint again from its weights: `python -m trainer.checkpoint`.

    python -m trainer.checkpoint --data PHOTOS

For checkpoints that were exported before model.onnx held what it holds now. Weights, temperature
and history stay; report.json gets what is measured on the new file, on val and test photos.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from trainer.checkpoint.reports import CheckpointArgs, checkpoints_for
from trainer.utils.cli import command_line, importing


@dataclass(frozen=True)
class Command(CheckpointArgs):
    """Export model.onnx again from the weights, and measure it."""

    variant: str = "all"
    """Which checkpoint, or all."""


def export_all(command: Command) -> None:
    """Export each checkpoint that is asked for; raises as `checkpoints_for`, `export_again` do."""
    source = command.photo_set
    reports = checkpoints_for(source, command.checkpoints, command.variant)
    with importing():
        from trainer.checkpoint.write import export_again
    for name in reports:
        export_again(command.checkpoints / name, source, Path(command.output) / "cache")


main = command_line(Command, export_all, "trainer.checkpoint")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
