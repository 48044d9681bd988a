"""Measure how near-duplicates of training photos inflate scores: `trainer.evaluate.leakage`.

    python -m trainer.evaluate.leakage --data PHOTOS

finds near-duplicates across splits as the audit does, scores every checkpoint on the test photos
with and without a near-duplicate in train, and writes checkpoints/results/leakage.json.
"""

import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from plumage.contract import MODEL
from trainer.audit.detect.borders import find_border
from trainer.audit.detect.duplicates import Description, NearDuplicates, describe, groups
from trainer.audit.detect.survey import Survey, in_threads, survey
from trainer.audit.findings import near_duplicates_of
from trainer.checkpoint.predictions import cached_predictions
from trainer.checkpoint.reports import CheckpointArgs, checkpoints_for
from trainer.data.photo_folder import PhotoFolder
from trainer.metrics import scores_with_intervals
from trainer.utils.cli import command_line
from trainer.utils.files import write_json
from trainer.verdicts.leakage import conclude


@dataclass(frozen=True)
class Command(CheckpointArgs):
    """Score test photos with and without a near-duplicate in train; write results/leakage.json."""


def write_leakage(command: Command) -> None:
    """Write leakage.json; raises as `measure` does."""
    source = command.photo_set
    found = measure(command.checkpoints, source, Path(command.output) / "cache")
    write_json(command.checkpoints / "results" / "leakage.json", found)
    print(found["sentence"])


def measure(checkpoints: Path, source: PhotoFolder, cache: Path) -> dict[str, Any]:
    """The content of leakage.json.

    Returns:
        photos: of each split. pairs: near-duplicates in two splits, of each kind.
        with_near_duplicate: the number of val and test photos with one in train.
        without_near_duplicate: files of val with none. rows: one a variant and kind of test photos
        (`near_duplicate`: true or false): accuracy and its 95% bootstrap interval (low, high).
        tests, verdict, sentence: as `trainer.verdicts.leakage.conclude` adds them.

    Raises:
        PhotoSetError: photos cannot be read, or are of other species than a checkpoint's.
        CheckpointError: there is no checkpoint.
    """
    reports = checkpoints_for(source, checkpoints)
    photos, pairs = near_duplicates(source.root, cache, source.split_table)
    known = {split: in_train(photos, pairs, split) for split in ("val", "test")}
    rows = []
    for name, report in reports.items():
        test = source.load("test", report["recipe"]["image_size"], cache)
        answers = cached_predictions(checkpoints / name / MODEL, test).logits.argmax(axis=1)
        for near_duplicate, which in ((True, known["test"]), (False, ~known["test"])):
            if which.any():
                score = scores_with_intervals(test.labels[which], answers[which])["accuracy"]
                rows.append(
                    {
                        "variant": name,
                        "near_duplicate": near_duplicate,
                        "accuracy": score["value"],
                        "low": score["low"],
                        "high": score["high"],
                    }
                )
    splits = photos.splits.tolist()
    val = [file for file, split in zip(photos.files, splits, strict=True) if split == "val"]
    across = [pair for pair in pairs if splits[pair.first] != splits[pair.second]]
    return conclude(
        {
            "photos": dict(Counter(splits)),
            "pairs": dict(Counter(pair.kind for pair in across)),
            "with_near_duplicate": {split: int(found.sum()) for split, found in known.items()},
            "without_near_duplicate": [
                file.as_posix() for file, has in zip(val, known["val"], strict=True) if not has
            ],
            "rows": rows,
        }
    )


def near_duplicates(
    root: Path, cache: Path, split_table: Path | None = None
) -> tuple[Survey, list[NearDuplicates]]:
    """The photos of a set, and the pairs of near-duplicates that the audit finds among them.

    split_table: splits.csv of a run that cut splits; None for the folder's own.
    """
    photos = survey(root, cache, split_table)

    def described(index: int) -> Description:
        photo = photos.pixels[index]
        return describe(photo, photos.sizes[index], find_border(photo))

    return photos, near_duplicates_of(photos, in_threads(described, range(len(photos))))


def in_train(photos: Survey, pairs: list[NearDuplicates], split: str) -> NDArray[np.bool_]:
    """(photos of the split,) whether each is of one group with a training photo."""
    grouped, splits = groups(pairs, len(photos)), photos.splits
    return np.isin(grouped[splits == split], grouped[splits == "train"])


main = command_line(Command, write_leakage, "trainer.evaluate.leakage")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
