"""Do relatives of training photos flatter the scores? `python -m trainer.evaluate.leakage`.

    python -m trainer.evaluate.leakage --data PHOTOS

looks for photos of one shot or scene in different splits, as the audit does, asks every checkpoint
about the test photos that have such a relative in train and about those that have none, and writes
checkpoints/results/leakage.json.
"""

import sys
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray

from plumage.contract import MODEL
from trainer.audit.detect.borders import find_border
from trainer.audit.detect.duplicates import Description, Relatives, describe, groups
from trainer.audit.detect.survey import Survey, in_threads, survey
from trainer.audit.findings import relatives_of
from trainer.checkpoint.reports import OnCheckpoints, checkpoints_for
from trainer.checkpoint.write import answers_of
from trainer.data import PhotoFolder
from trainer.metrics import scores_with_intervals
from trainer.utils.cli import exit_status
from trainer.utils.files import write_json


@dataclass(frozen=True)
class Command(OnCheckpoints):
    """Score test photos with and without a relative in train; write results/leakage.json."""


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status: 0, 2 for a user error, 130 if stopped."""
    command = tyro.cli(Command, prog="python -m trainer.evaluate.leakage", args=arguments)
    return exit_status(partial(write_relatives, command))


def write_relatives(command: Command) -> None:
    """Write leakage.json; raises as `measure` does."""
    source = PhotoFolder(Path(command.data))
    found = measure(command.checkpoints, source, Path(command.output) / "cache")
    write_json(command.checkpoints / "results" / "leakage.json", found)
    for split, count in found["with_relative"].items():
        print(f"{count:,} of {found['photos'][split]:,} {split} photos have a relative in train.")


def measure(checkpoints: Path, source: PhotoFolder, cache: Path) -> dict[str, Any]:
    """What leakage.json holds.

    Returns:
        photos: of each split. pairs: of relatives in two splits, of each kind. with_relative: how
        many photos of val and test have one in train. without_relative: files of val that have
        none. variants: the accuracy of each on test photos with one and without, with its 95%
        bootstrap interval.

    Raises:
        PhotoSetError: photos cannot be read, or are of other species than a checkpoint's.
        CheckpointError: there is no checkpoint.
    """
    reports = checkpoints_for(source, checkpoints)
    photos = survey(source.root, cache)

    def described(index: int) -> Description:
        photo = photos.pixels[index]
        return describe(photo, photos.sizes[index], find_border(photo))

    pairs = relatives_of(photos, in_threads(described, range(len(photos))))
    known = {split: in_train(photos, pairs, split) for split in ("val", "test")}
    variants: dict[str, Any] = {}
    for name, report in reports.items():
        test = source.load("test", report["recipe"]["image_size"], cache)
        answers = answers_of(checkpoints / name / MODEL, test).logits.argmax(axis=1)
        variants[name] = {
            kind: scores_with_intervals(test.labels[which], answers[which])["accuracy"]
            for kind, which in (("with", known["test"]), ("without", ~known["test"]))
            if which.any()
        }
    splits = photos.splits.tolist()
    val = [file for file, split in zip(photos.files, splits, strict=True) if split == "val"]
    across = [pair for pair in pairs if splits[pair.first] != splits[pair.second]]
    return {
        "photos": dict(Counter(splits)),
        "pairs": dict(Counter(pair.kind for pair in across)),
        "with_relative": {split: int(found.sum()) for split, found in known.items()},
        "without_relative": [
            file.as_posix() for file, has in zip(val, known["val"], strict=True) if not has
        ],
        "variants": variants,
    }


def in_train(photos: Survey, pairs: list[Relatives], split: str) -> NDArray[np.bool_]:
    """(photos of the split,) whether each is of one group with a training photo."""
    grouped, splits = groups(pairs, len(photos)), photos.splits
    return np.isin(grouped[splits == split], grouped[splits == "train"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
