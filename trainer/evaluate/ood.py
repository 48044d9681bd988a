"""Measure how well checkpoints notice what they do not know: `python -m trainer.evaluate.ood`.

    python -m trainer.evaluate.ood --data PHOTOS --strangers FOLDER

FOLDER holds photos of none of the species, in a folder for each kind, such as other birds and no
birds. Nothing is trained on them. With every second photo, the first among them, scores of how
strange a photo is (trainer/evaluate/ood_baselines.py) are set beside each model's output
`novelty`, against val photos: that is what choices are made with. The other photos count: test
photos are set against them by `novelty` alone. The answer goes to checkpoints/results/ood.json.
"""

import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from plumage.contract import MODEL
from plumage.folders import SPLITS, list_photos
from trainer.checkpoint.novelty import evenly, statistics_of
from trainer.checkpoint.reports import OnCheckpoints, checkpoints_for
from trainer.checkpoint.write import answers_of, open_network
from trainer.data import PhotoFolder, PhotoSet, PhotoSetError, read_squeezed
from trainer.evaluate.ood_baselines import SCORES, Scores, Seen
from trainer.metrics import onnx_outputs
from trainer.model.resnet import ResNet
from trainer.recipe import Recipe
from trainer.utils.cli import exit_status
from trainer.utils.files import write_json

RESAMPLES = 1000
CHOOSING, COUNTING = slice(0, None, 2), slice(1, None, 2)

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Command(OnCheckpoints):
    """Set test photos against photos of none of the species; write checkpoints/results/ood.json."""

    strangers: Path = Path("strangers")
    """Folder with a folder for each kind of photo of none of the species."""


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status: 0, 2 for a user error, 130 if stopped."""
    command = tyro.cli(Command, prog="python -m trainer.evaluate.ood", args=arguments)
    return exit_status(partial(write_strangers, command))


def write_strangers(command: Command) -> None:
    """Write ood.json; raises as `measure` does."""
    source, cache = PhotoFolder(Path(command.data)), Path(command.output) / "cache"
    found = measure(command.checkpoints, source, command.strangers, cache)
    write_json(command.checkpoints / "results" / "ood.json", found)


def measure(checkpoints: Path, source: PhotoFolder, strangers: Path, cache: Path) -> dict[str, Any]:
    """What ood.json holds.

    Returns:
        photos: of each kind. variants: for each and each kind the area under the ROC curve with
        its 95% bootstrap interval, and the share of strangers below the model's threshold.
        chosen_with: the number of photos of each kind. scores: for each variant and each kind the
        area by each score.

    Raises:
        PhotoSetError: photos are missing or of other species than a checkpoint's.
        CheckpointError: there is no checkpoint.
    """
    reports = checkpoints_for(source, checkpoints)
    files = kinds(strangers)
    result: dict[str, Any] = {
        "photos": {kind: len(paths[COUNTING]) for kind, paths in files.items()},
        "variants": {},
        "chosen_with": {kind: len(paths[CHOOSING]) for kind, paths in files.items()},
        "scores": {},
    }
    for name, report in reports.items():
        size, folder = report["recipe"]["image_size"], checkpoints / name
        photos = {split: source.load(split, size, cache) for split in SPLITS}
        strange = {
            kind: np.stack([read_squeezed(path, size) for path in paths])
            for kind, paths in files.items()
        }
        result["variants"][name] = counted(folder / MODEL, report, photos["test"], strange)
        network = open_network(folder, Recipe.from_report(report["recipe"]), len(source.species))
        result["scores"][name] = compared(network, folder / MODEL, photos, strange)
        for kind, value in result["variants"][name].items():
            print(f"{name:10} {kind:12} {value['auroc']['value']:.3f}", flush=True)
    return result


def counted(
    model: Path, report: dict[str, Any], test: PhotoSet, strange: dict[str, Pixels]
) -> dict[str, Any]:
    """How a model's novelty tells test photos from the strangers that count, of each kind."""
    own, result = answers_of(model, test).novelty, {}
    for kind, pixels in strange.items():
        (theirs,) = onnx_outputs(model, pixels[COUNTING], "novelty")
        result[kind] = {
            "auroc": auroc_with_interval(own, theirs),
            "falsely_accepted": float((theirs <= report["novelty"]["threshold"]).mean()),
        }
    return result


def compared(
    network: ResNet, model: Path, photos: dict[str, PhotoSet], strange: dict[str, Pixels]
) -> dict[str, dict[str, float]]:
    """The area by each score and by novelty, of each kind of the strangers to choose with."""
    train = seen_by(network, evenly(photos["train"].pixels))
    labels = evenly(photos["train"].labels)
    fitted = {name: fit(train, labels) for name, fit in SCORES.items()}
    own, novelty = seen_by(network, photos["val"].pixels), answers_of(model, photos["val"]).novelty
    result = {}
    for kind, pixels in strange.items():
        theirs = seen_by(network, pixels[CHOOSING])
        result[kind] = {name: auroc(of(own), of(theirs)) for name, of in fitted.items()}
        (kept,) = onnx_outputs(model, pixels[CHOOSING], "novelty")
        result[kind]["novelty"] = auroc(novelty, kept)
    return result


def seen_by(network: ResNet, pixels: Pixels) -> Seen:
    """Features and logits of photos (N, S, S, 3)."""
    values, logits = statistics_of(network, pixels)
    channels = network.linear.in_features
    # The last map's means stand before its deviations.
    return Seen(values[:, -2 * channels : -channels], logits)


def kinds(folder: Path) -> dict[str, list[Path]]:
    """The photos, sorted, by the name of their folder in words; two at least of each."""
    found = {}
    for home in sorted(folder.glob("*/")):
        photos = [home / photo for photo in list_photos(home).photos]
        if photos[COUNTING]:
            found[home.name.replace("_", " ")] = photos
    if not found:
        raise PhotoSetError(
            f"{folder} holds no folder of photos: --strangers names one with a folder for each "
            "kind of photo of none of the species."
        )
    return found


def auroc(own: Scores, theirs: Scores) -> float:
    """How often a stranger's score is above one's own photo's."""
    return float(roc_auc_score([0] * len(own) + [1] * len(theirs), np.concatenate([own, theirs])))


def auroc_with_interval(own: Scores, theirs: Scores) -> dict[str, float]:
    """The same with its 95% bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = [
        auroc(rng.choice(own, len(own)), rng.choice(theirs, len(theirs))) for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"value": auroc(own, theirs), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
