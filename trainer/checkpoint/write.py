"""A trained run -> the five files of a checkpoint that the app serves, and back."""

import json
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
import safetensors.torch
from numpy.typing import NDArray

from plumage.contract import (
    LOOKS,
    MODEL,
    NOVELTY_THRESHOLD,
    REPORT,
    SALIENCY,
    SET_THRESHOLDS,
    TEMPERATURE,
    WEIGHTS,
)
from plumage.folders import SPLITS
from trainer.checkpoint import calibration
from trainer.checkpoint.calibrate_looks import calibrate_looks, measure_looks
from trainer.checkpoint.closing import closing, guess
from trainer.checkpoint.export.classifier_onnx import add_metadata, export
from trainer.checkpoint.export.saliency_onnx import export_saliency
from trainer.checkpoint.novelty import ACCEPTED, fit_novelty, subsample
from trainer.checkpoint.predictions import cached_predictions, keep_predictions
from trainer.data.outliers import OUTLIERS
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet
from trainer.metrics import Labels, Logits, fit_temperature, scores_with_intervals
from trainer.model.norms import NORMS
from trainer.model.resnet import ResNet, layer_count
from trainer.recipe import Recipe
from trainer.run_folder import remove_state
from trainer.state import TrainState
from trainer.training import best_by, epoch_photos, precision
from trainer.utils.files import replacing, write_json


def open_network(folder: Path, recipe: Recipe, species: int) -> ResNet:
    """The network of a checkpoint, in eval mode."""
    network = ResNet(NORMS[recipe.norm], n=recipe.n, outputs=species)
    network.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    return network.eval()


def write_checkpoint(
    run: TrainState, recipe: Recipe, source: PhotoFolder, photos: dict[str, PhotoSet], folder: Path
) -> None:
    """Export a run, calibrate the exported file on val, and measure it on test.

    The app can use the checkpoint before test photos are looked at; report.json comes last, whole.

    Args:
        run: of `train_run`, finished.
        recipe: its own.
        source: the photos, with all splits.
        photos: of each split at `recipe.image_size`, and the outliers, if it has any.
        folder: of the run; the state that it could be resumed from is removed at the end.

    Raises:
        ExportError: the exported graph does not compute what the network does.
    """
    network, model = run.network, folder / MODEL
    differences, train_logits = write_model(network, recipe, photos, model)
    train_labels = subsample(photos["train"].labels)
    calibrated = calibrate_model(model, source, photos, OUTLIERS in photos)
    with replacing(folder / WEIGHTS) as temporary:
        weights = {name: value.contiguous() for name, value in network.state_dict().items()}
        temporary.write_bytes(safetensors.torch.save(weights))
    print(f"exporting {SALIENCY}", flush=True)
    differences["saliency"] = export_saliency(network, folder, check_photos(photos))
    print(f"{folder} can answer photos; measuring it on test photos for {REPORT}", flush=True)
    measured = measure_model(model, source, photos, calibrated)
    measured["metrics"] = {"train": metrics_of(train_labels, train_logits)} | measured["metrics"]
    trained = [row for row in run.history if row["split"] == "train"]
    seconds, each = sum(row["seconds"] for row in trained), epoch_photos(photos["train"], recipe)
    report = {
        **run.trained,
        "species": photos["val"].species,
        "layers": layer_count(network),
        "parameters": sum(p.numel() for p in network.parameters()),
        "best_epoch": run.best_epoch,
        "best_by": best_by(photos["train"].labels),
        TEMPERATURE: calibrated[TEMPERATURE],
        "seconds": round(seconds, 1),
        "photos_per_second": round(each * len(trained) / seconds, 1),
        "train_photos_scored": len(train_labels),
        "guess": guess(photos["train"].labels, photos["test"]),
        **measured,
        "export_differences": differences,
        "photos": {split: counted(photos[split]) for split in SPLITS},
        "outliers": counted(photos[OUTLIERS]) if OUTLIERS in photos else None,
        "versions": {name: version(name) for name in ("torch", "torchvision", "onnx", "pillow")},
    }
    write_json(folder / REPORT, report)
    answers = cached_predictions(model, photos["test"]).logits.argmax(axis=1)
    print(*closing(report, photos["test"], answers), sep="\n")
    remove_state(folder, recipe)


def counted(photos: PhotoSet) -> dict[str, Any]:
    """The entry of report.json about photos."""
    return {
        "count": len(photos.labels),
        "skipped": len(photos.skipped),
        "sha256": photos.fingerprint,
    }


def export_again(folder: Path, source: PhotoFolder, cache: Path) -> None:
    """Write model.onnx of one checkpoint, and into report.json what is measured on it.

    Raises:
        PhotoSetError: the photos cannot be read.
        ExportError: the exported graph does not compute what the network does.
    """
    report = json.loads((folder / REPORT).read_text(encoding="utf-8"))
    recipe = Recipe.from_report(report["recipe"])
    photos = {split: source.load(split, recipe.image_size, cache) for split in SPLITS}
    network = open_network(folder, recipe, len(source.species))
    # The app may be serving the folder: the new file takes the old one's place with its thresholds.
    with replacing(folder / MODEL) as model:
        differences, _ = write_model(network, recipe, photos, model)
        report["export_differences"] |= differences
        with_outliers = bool(report.get("outliers"))
        calibrated = calibrate_model(model, source, photos, with_outliers, report[TEMPERATURE])
        measured = measure_model(model, source, photos, calibrated)
    metrics = report["metrics"] | measured["metrics"]
    report |= measured | {"metrics": metrics}
    write_json(folder / REPORT, report)
    accepted = report["novelty"]["accepted"]["test"]
    print(f"{folder.name:10} written; takes {accepted:.1%} of test photos for its birds")


def write_model(
    network: ResNet, recipe: Recipe, photos: dict[str, PhotoSet], path: Path
) -> tuple[dict[str, float], Logits]:
    """Export the network with its novelty, fitted on training photos.

    Returns:
        The differences from torch, and the network's logits of `subsample` of the training photos.
    """
    train = photos["train"]
    count = len(subsample(train.labels))
    print(f"fitting the novelty score on {count:,} train photos", flush=True)
    dtype = precision(replace(recipe, device="cpu"))
    novelty, logits = fit_novelty(network, train.pixels, train.labels, dtype)
    print(f"exporting {MODEL}", flush=True)
    differences = export(
        network,
        novelty,
        path,
        norm=recipe.norm,
        image_size=recipe.image_size,
        species=photos["val"].species,
        photos=check_photos(photos),
        noun=recipe.noun,
    )
    return differences, logits


def check_photos(photos: dict[str, PhotoSet]) -> NDArray[np.uint8]:
    """Val photos (N, S, S, 3) on which an export is compared with torch."""
    return photos["val"].pixels[:: max(1, len(photos["val"].labels) // 16)]


def metrics_of(labels: Labels, logits: Logits) -> dict[str, Any]:
    """Scores with intervals of logits (N, species) against labels (N,)."""
    return scores_with_intervals(labels, logits.argmax(axis=1))


def calibrate_model(
    model: Path,
    source: PhotoFolder,
    photos: dict[str, PhotoSet],
    with_outliers: bool,
    temperature: float | None = None,
) -> dict[str, Any]:
    """Give a model.onnx the constants that its answers to val photos call for.

    Args:
        model: changed in place.
        source: of the photos, which are read whole.
        photos: val.
        with_outliers: whether the network was trained with outliers.
        temperature: of one look; None: fitted.

    Returns:
        What was fitted, of one look and, in "looks", of several.
    """
    keep_predictions(model, source, photos, "val")
    val, labels = cached_predictions(model, photos["val"]), photos["val"].labels
    fitted = {
        TEMPERATURE: temperature or fit_temperature(val.logits, labels),
        NOVELTY_THRESHOLD: float(np.quantile(val.novelty, ACCEPTED, method="higher")),
        SET_THRESHOLDS: calibration.set_thresholds(val.logits, labels),
    }
    add_metadata(model, fitted)
    return fitted | {LOOKS: calibrate_looks(model, source, photos, with_outliers)}


def measure_model(
    model: Path, source: PhotoFolder, photos: dict[str, PhotoSet], fitted: dict[str, Any]
) -> dict[str, Any]:
    """Measure the exported file on val and test photos: what is shipped is what is measured.

    Args:
        model: calibrated.
        source: of the photos, which are read whole.
        photos: val and test.
        fitted: as `calibrate_model` returns it.

    Returns:
        For report.json: scores, thresholds, and how these do.
    """
    for split in ("val", "test"):
        keep_predictions(model, source, photos, split)
    answers = {split: cached_predictions(model, photos[split]) for split in ("val", "test")}
    threshold, test = fitted[NOVELTY_THRESHOLD], answers["test"].logits
    return {
        "metrics": {
            split: metrics_of(photos[split].labels, found.logits)
            for split, found in answers.items()
        },
        "novelty": {
            "threshold": threshold,
            "accepted": {
                split: float((found.novelty <= threshold).mean())
                for split, found in answers.items()
            },
        },
        "prediction_sets": calibration.coverage(
            test, photos["test"].labels, fitted[SET_THRESHOLDS]
        ),
        LOOKS: measure_looks(model, source, photos, fitted[LOOKS]),
    }
