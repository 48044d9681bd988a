"""Measure what poorer photos cost: `python -m trainer.evaluate.robustness`.

    python -m trainer.evaluate.robustness --data PHOTOS --outliers FOLDER

Test photos are compressed again as JPEG, or shrunk, and answered by all looks.
With --outliers, val photos are pasted onto photos without a bird, so that the bird takes 10, 20 or
40% of the frame's width, and answered by one look and by all looks of the model. How many are still
accepted as photos of a known bird, and answered correctly, goes to
checkpoints/results/robustness.json for each variant.
"""

import io
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from plumage.contract import MODEL
from plumage.photos import read_photo
from trainer.checkpoint.reports import CheckpointArgs, checkpoints_for
from trainer.data.photo_folder import PhotoFolder
from trainer.evaluate.answers import Looks, answers_to
from trainer.evaluate.small_birds import measure_small_birds
from trainer.utils.cli import command_line
from trainer.utils.files import write_json
from trainer.verdicts.robustness import conclude

QUALITIES = (95, 75, 50, 30, 10)
SIDES = (128, 96, 64, 48, 32)  # px
EVERY = 3  # every third test photo: 20 a species are enough


@dataclass(frozen=True)
class Command(CheckpointArgs):
    """Answer compressed, shrunk and distant birds; write checkpoints/results/robustness.json."""

    outliers: Path | None = None
    """Folder of photos of none of the species, on which val photos are pasted small; None: none."""


def write_robustness(command: Command) -> None:
    """Write robustness.json; raises as `measure` does."""
    source, cache = command.photo_set, Path(command.output) / "cache"
    found = measure(command.checkpoints, source, cache, command.outliers)
    write_json(command.checkpoints / "results" / "robustness.json", found)


def measure(
    checkpoints: Path, source: PhotoFolder, cache: Path, outliers: Path | None = None
) -> dict[str, Any]:
    """The content of robustness.json.

    Returns:
        photos: how many. rows: one a variant and degradation, first none: `change`, its `degree`
        (JPEG quality, or side in px) and the shares `accuracy` and `accepted`. small_birds: the
        rows of `trainer.evaluate.small_birds` with their variant, where there are outliers. costly,
        sentence: as `trainer.verdicts.robustness.conclude` adds them.

    Raises:
        PhotoSetError: photos are missing or of other species than a checkpoint's.
        CheckpointError: there is no checkpoint.
    """
    reports = checkpoints_for(source, checkpoints)
    result: dict[str, Any] = {"rows": []}
    for name, report in reports.items():
        recipe = report["recipe"]
        test = source.load("test", recipe["stored_size"], cache)
        photos, labels = test.pixels[::EVERY], test.labels[::EVERY]
        result["photos"] = len(labels)
        changes = [("none", 0)]
        changes += [("JPEG quality", quality) for quality in QUALITIES]
        changes += [("side", side) for side in SIDES]
        for change, degree in changes:
            changed = [poorer(Image.fromarray(photo), change, degree) for photo in photos]
            answers = answers_to(checkpoints / name, report, changed)
            row = {
                "variant": name,
                "change": change,
                "degree": degree,
                "accuracy": float((answers.logits.argmax(axis=1) == labels).mean()),
                "accepted": float((answers.novelty <= Looks.of(report).threshold).mean()),
            }
            result["rows"].append(row)
            print(f"{name:10} {change} {degree} {row['accepted']:.3f}", flush=True)
        if outliers:
            val, model = source.load("val", recipe["image_size"], cache), checkpoints / name / MODEL
            threshold = report["novelty"]["threshold"]
            rows = measure_small_birds(model, threshold, source, val, outliers, cache)
            result.setdefault("small_birds", []).extend({"variant": name, **row} for row in rows)
            for row in rows:
                print(f"{name:10} bird {row['degree']}% {row['accuracy']:.3f}", flush=True)
    return conclude(result)


def poorer(photo: Image.Image, change: str, degree: int) -> Image.Image:
    """A photo compressed or shrunk."""
    if change == "JPEG quality":
        file = io.BytesIO()
        photo.save(file, "JPEG", quality=degree)
        return read_photo(file.getvalue(), limited=False)
    if change == "side":
        return photo.resize((degree, degree), Image.Resampling.BICUBIC)
    return photo


main = command_line(Command, write_robustness, "trainer.evaluate.robustness")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
