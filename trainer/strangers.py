"""Measure how well checkpoints notice what they do not know: `python -m trainer.strangers`.

    python -m trainer.strangers --data PHOTOS --strangers FOLDER

FOLDER holds photos of none of the species, in a folder for each kind, such as other birds and no
birds. Test photos are set against them by each model's output `novelty`; the answer goes to
checkpoints/strangers.json. How novelty is scored was chosen with every second of those photos, the
first among them, against val photos. Only the others count here.
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from torchvision.datasets.folder import IMG_EXTENSIONS

from trainer.checkpoint import OnCheckpoints, answers_of, read_reports
from trainer.evaluation import onnx_outputs
from trainer.files import replacing
from trainer.photos import PhotoFolder, PhotoSetError, read_squeezed

RESAMPLES = 1000


@dataclass(frozen=True)
class Command(OnCheckpoints):
    """Set test photos against photos of none of the species; write checkpoints/strangers.json."""

    strangers: Path = Path("strangers")
    """Folder with a folder for each kind of photo of none of the species."""


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status: 0, or 2 for what the user can mend."""
    command = tyro.cli(Command, prog="python -m trainer.strangers", args=arguments)
    try:
        found = measure(
            command.checkpoints,
            PhotoFolder(Path(command.data)),
            command.strangers,
            Path(command.output) / "cache",
        )
    except PhotoSetError as error:
        print(error, file=sys.stderr)
        return 2
    with replacing(command.checkpoints / "strangers.json") as temporary:
        temporary.write_text(json.dumps(found, indent=2) + "\n")
    for name, variant in found["variants"].items():
        told = (f"{kind} {value['auroc']['value']:.3f}" for kind, value in variant.items())
        print(f"{name:10}", *told, sep="  ")
    return 0


def measure(checkpoints: Path, source: PhotoFolder, strangers: Path, cache: Path) -> dict[str, Any]:
    """What strangers.json holds.

    Returns:
        photos: of each kind. variants: for each and each kind the area under the ROC curve with
        its 95% bootstrap interval, and the share of strangers below the model's threshold.

    Raises:
        PhotoSetError: photos are missing or of other species than a checkpoint's.
    """
    source.check()
    files = kinds(strangers)
    variants: dict[str, dict[str, Any]] = {}
    for name, report in read_reports(checkpoints).items():
        size, model = report["recipe"]["image_size"], checkpoints / name / "model.onnx"
        if report["species"] != list(source.species):
            raise PhotoSetError(f"{source.root} holds other species than the checkpoint {name}.")
        own = answers_of(model, source.load("test", size, cache)).novelty
        variants[name] = {}
        for kind, paths in files.items():
            pixels = np.stack([read_squeezed(path, size) for path in paths])
            (theirs,) = onnx_outputs(model, pixels, "novelty")
            accepted = theirs <= report["novelty"]["threshold"]
            variants[name][kind] = {
                "auroc": auroc(own, theirs),
                "falsely_accepted": float(accepted.mean()),
            }
    return {"photos": {kind: len(paths) for kind, paths in files.items()}, "variants": variants}


def kinds(folder: Path) -> dict[str, list[Path]]:
    """The photos that count, by the name of their folder in words."""
    found = {}
    for home in sorted(folder.glob("*/")):
        photos = sorted(p for p in home.iterdir() if p.suffix.lower() in IMG_EXTENSIONS)
        if photos[1::2]:
            found[home.name.replace("_", " ")] = photos[1::2]
    if not found:
        raise PhotoSetError(
            f"{folder} holds no folder of photos: --strangers names one with a folder for each "
            "kind of photo of none of the species."
        )
    return found


def auroc(own: NDArray[np.float32], theirs: NDArray[np.float32]) -> dict[str, float]:
    """How often a stranger's score is above one's own photo's: the value and its 95% interval."""
    rng = np.random.default_rng(0)

    def area(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
        return float(roc_auc_score([0] * len(a) + [1] * len(b), np.concatenate([a, b])))

    drawn = [
        area(rng.choice(own, len(own)), rng.choice(theirs, len(theirs))) for _ in range(RESAMPLES)
    ]
    low, high = np.quantile(drawn, (0.025, 0.975))
    return {"value": area(own, theirs), "low": float(low), "high": float(high)}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
