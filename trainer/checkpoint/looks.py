"""Calibrate the answer of several looks at a photo: `python -m trainer.checkpoint.looks`.

    python -m trainer.checkpoint.looks --data PHOTOS

Training does it by itself; older checkpoints get it here. The looks are those of plumage/looks.py,
by the function that the app calls. On val photos are fitted: the weight of the energy in the
novelty, by which it has the spread of the mean novelty, or four times as much after training with
outliers; the temperature; the threshold of the novelty; and those of the prediction sets.
"""

import sys
from dataclasses import dataclass
from pathlib import Path

from plumage.contract import MODEL, REPORT
from plumage.folders import SPLITS
from trainer.checkpoint.reports import CheckpointArgs, checkpoints_for
from trainer.utils.cli import command_line, importing
from trainer.utils.files import write_json


@dataclass(frozen=True)
class Command(CheckpointArgs):
    """Calibrate the looks of checkpoints on val photos, and measure them on test photos."""

    variant: str = "all"
    """Which checkpoint, or all."""


def calibrate_all(command: Command) -> None:
    """Calibrate each checkpoint that is asked for; raises as `checkpoints_for` does."""
    source, cache = command.photo_set, Path(command.output) / "cache"
    reports = checkpoints_for(source, command.checkpoints, command.variant)
    with importing():
        from trainer.checkpoint.calibrate_looks import calibrate_looks, measure_looks
    for name, report in reports.items():
        size = report["recipe"]["image_size"]
        photos = {split: source.load(split, size, cache) for split in SPLITS if split != "train"}
        model = command.checkpoints / name / MODEL
        fitted = calibrate_looks(model, source, photos, bool(report.get("outliers")))
        found = measure_looks(model, source, photos, fitted)
        write_json(command.checkpoints / name / REPORT, report | {"looks": found})
        accuracy = found["metrics"]["test"]["accuracy"]["value"]
        print(f"{name:10} {accuracy:.1%} of test photos right with {' and '.join(found['names'])}")


main = command_line(Command, calibrate_all, "trainer.checkpoint.looks")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
