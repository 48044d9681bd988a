"""Measure how well checkpoints detect out-of-distribution photos: `trainer.evaluate.ood`.

    python -m trainer.evaluate.ood --data PHOTOS --ood FOLDER

FOLDER holds photos of none of the species, in a folder for each kind, such as other birds and no
birds. Nothing is trained on them. Every second photo, the first among them, is for tuning: there
each model's output `novelty` at one look is compared with the scores of
trainer/evaluate/ood_baselines.py, against val photos. The others are held out: there the novelty of
all looks together, as the app has it, is measured against test photos.
The results go to checkpoints/results/ood.json.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro
from numpy.typing import NDArray
from scipy.stats import rankdata

from plumage.contract import MODEL
from plumage.folders import SPLITS, list_photos
from trainer.checkpoint.novelty import statistics_of, subsample
from trainer.checkpoint.predictions import cached_predictions, whole_photos
from trainer.checkpoint.reports import CheckpointArgs, checkpoints_for
from trainer.checkpoint.write import open_network
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet, PhotoSetError, read_squeezed
from trainer.evaluate.answers import Looks, answers_to, held_out_answers
from trainer.evaluate.ood_baselines import SCORES, Features, Scores
from trainer.metrics import onnx_outputs
from trainer.model.resnet import ResNet
from trainer.recipe import Recipe
from trainer.utils.cli import command_line
from trainer.utils.files import write_json
from trainer.verdicts.ood import conclude

RESAMPLES = 1000
TUNING, HELD_OUT = slice(0, None, 2), slice(1, None, 2)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Command(CheckpointArgs):
    """Measure out-of-distribution detection; write checkpoints/results/ood.json."""

    ood: Annotated[Path, tyro.conf.arg(aliases=("--strangers",))] = Path("ood")
    """Folder with a folder for each kind of photo of none of the species."""


def write_ood(command: Command) -> None:
    """Write ood.json; raises as `measure` does."""
    source, cache = command.photo_set, Path(command.output) / "cache"
    found = measure(command.checkpoints, source, command.ood, cache)
    write_json(command.checkpoints / "results" / "ood.json", found)


def measure(checkpoints: Path, source: PhotoFolder, ood: Path, cache: Path) -> dict[str, Any]:
    """The content of ood.json.

    Returns:
        photos: held-out photos of each kind. rows: one a variant and kind: `auroc` with its 95%
        bootstrap interval (`low`, `high`) and `false_acceptance_rate`, the share of photos below
        the model's threshold. tuned_with: tuning photos of each kind. scores:
        one row a score, variant and kind: its `auroc` on them. verdicts: as
        `trainer.verdicts.ood.conclude` adds them.

    Raises:
        PhotoSetError: photos are missing or of other species than a checkpoint's.
        CheckpointError: there is no checkpoint.
    """
    reports = checkpoints_for(source, checkpoints)
    files = ood_files(ood)
    result: dict[str, Any] = {
        "photos": {kind: len(paths[HELD_OUT]) for kind, paths in files.items()},
        "rows": [],
        "tuned_with": {kind: len(paths[TUNING]) for kind, paths in files.items()},
        "scores": [],
    }
    for name, report in reports.items():
        size, folder = report["recipe"]["image_size"], checkpoints / name
        photos = {split: source.load(split, size, cache) for split in SPLITS}
        tuning = {
            kind: np.stack([read_squeezed(path, size) for path in paths[TUNING]])
            for kind, paths in files.items()
        }
        own = held_out_answers(folder, report, source, photos["test"], "test").novelty
        held_out = []
        for kind, paths in files.items():
            scored = answers_to(folder, report, whole_photos(paths[HELD_OUT])).novelty
            held_out.append({"kind": kind} | detected(own, scored, Looks.of(report).threshold))
        result["rows"] += [{"variant": name, **row} for row in held_out]
        network = open_network(folder, Recipe.from_report(report["recipe"]), len(source.species))
        scores = compare_baselines(network, folder / MODEL, photos, tuning)
        result["scores"] += [{"variant": name, **row} for row in scores]
        for row in held_out:
            print(f"{name:10} {row['kind']:12} {row['auroc']:.3f}", flush=True)
    return conclude(result)


def detected(own: Scores, ood: Scores, threshold: float) -> dict[str, float]:
    """The AUROC of novelty on photos of none of the species, and the share that is accepted."""
    area = auroc_with_interval(own, ood)
    return {
        "auroc": area["value"],
        "low": area["low"],
        "high": area["high"],
        "false_acceptance_rate": float((ood <= threshold).mean()),
    }


def compare_baselines(
    network: ResNet, model: Path, photos: dict[str, PhotoSet], tuning: dict[str, Pixels]
) -> list[dict[str, Any]]:
    """A row a score and kind: its AUROC on the tuning photos; `novelty` is the last score."""
    train = extract_features(network, subsample(photos["train"].pixels))
    labels = subsample(photos["train"].labels)
    fitted = {name: fit(train, labels) for name, fit in SCORES.items()}
    own, novelty = (
        extract_features(network, photos["val"].pixels),
        cached_predictions(model, photos["val"]).novelty,
    )
    rows = []
    for kind, pixels in tuning.items():
        ood = extract_features(network, pixels)
        areas = {name: auroc(of(own), of(ood)) for name, of in fitted.items()}
        (kept,) = onnx_outputs(model, pixels, "novelty")
        areas["novelty"] = auroc(novelty, kept)
        rows += [{"kind": kind, "score": name, "auroc": area} for name, area in areas.items()]
    return rows


def extract_features(network: ResNet, pixels: Pixels) -> Features:
    """Features and logits of photos (N, S, S, 3)."""
    values, logits = statistics_of(network, pixels)
    channels = network.linear.in_features
    # The last map's means stand before its deviations.
    return Features(values[:, -2 * channels : -channels], logits)


def ood_files(folder: Path) -> dict[str, list[Path]]:
    """Photos by their folder's name in words, sorted; kinds with one photo are left out."""
    found = {}
    for home in sorted(folder.glob("*/")):
        photos = [home / photo for photo in list_photos(home).photos]
        if photos[HELD_OUT]:
            found[home.name.replace("_", " ")] = photos
    if not found:
        raise PhotoSetError(
            f"{folder} holds no folder of photos: --ood names one with a folder for each "
            "kind of photo of none of the species."
        )
    return found


def auroc(own: Scores, ood: Scores) -> float:
    """Area under the ROC curve: how often a score of `ood` exceeds one of `own`."""
    # By the ranks (Mann and Whitney 1947): for a thousand resamples, sklearn's curve is too slow.
    ranks = rankdata(np.concatenate([own, ood]))[len(own) :]
    below = ranks.sum() - len(ood) * (len(ood) + 1) / 2
    return float(below / (len(own) * len(ood)))


def auroc_with_interval(own: Scores, ood: Scores) -> dict[str, float]:
    """The same with its 95% bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = [auroc(rng.choice(own, len(own)), rng.choice(ood, len(ood))) for _ in range(RESAMPLES)]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"value": auroc(own, ood), "low": float(low), "high": float(high)}


main = command_line(Command, write_ood, "trainer.evaluate.ood")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
