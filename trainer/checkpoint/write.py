"""A trained run -> the five files of a checkpoint that the app serves, and back."""

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import onnx
import safetensors.numpy
import safetensors.torch
from numpy.typing import NDArray

from plumage.contract import MODEL, REPORT, SALIENCY, WEIGHTS
from plumage.folders import SPLITS
from trainer.checkpoint import calibration
from trainer.checkpoint.calibrate_looks import calibrate_looks
from trainer.checkpoint.closing import closing, guess
from trainer.checkpoint.export.classifier_onnx import calibrate, export, strip_debug_info
from trainer.checkpoint.export.saliency_onnx import export_saliency
from trainer.checkpoint.novelty import ACCEPTED, fit_novelty, subsample
from trainer.data.outliers import OUTLIERS
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet
from trainer.metrics import Labels, Logits, fit_temperature, onnx_outputs, scores_with_intervals
from trainer.model.norms import NORMS
from trainer.model.resnet import ResNet, layer_count
from trainer.recipe import Recipe
from trainer.run_folder import remove_state
from trainer.state import TrainState
from trainer.training import best_by, epoch_photos
from trainer.utils.files import replacing, write_json


class Predictions(NamedTuple):
    """A model's logits (N, species) and novelty (N,) of N photos, both float32."""

    logits: NDArray[np.float32]
    novelty: NDArray[np.float32]


def open_network(folder: Path, recipe: Recipe, species: int) -> ResNet:
    """The network of a checkpoint, in eval mode."""
    network = ResNet(NORMS[recipe.norm], n=recipe.n, outputs=species)
    network.load_state_dict(safetensors.torch.load_file(folder / WEIGHTS))
    return network.eval()


def write_checkpoint(
    run: TrainState,
    recipe: Recipe,
    source: PhotoFolder,
    photos: dict[str, PhotoSet],
    folder: Path,
) -> None:
    """Export a run, measure the exported file on val and test, and write the five files.

    Args:
        run: of `train_run`, finished.
        recipe: its own.
        source: of the photos, with all splits.
        photos: of each split at `recipe.image_size`, and the outliers, if it has any.
        folder: of the run; the state that it could be resumed from is removed at the end.

    Raises:
        ExportError: the exported graph does not compute what the network does.
    """
    network, model = run.network, folder / MODEL
    differences, train_logits = write_model(network, recipe, photos, model)
    train_labels = subsample(photos["train"].labels)
    metrics = {"train": metrics_of(train_labels, train_logits)}
    answers = predict_held_out(model, photos)
    metrics |= {split: metrics_of(photos[split].labels, answers[split].logits) for split in answers}
    print("calibrating", flush=True)
    temperature = fit_temperature(answers["val"].logits, photos["val"].labels)
    calibrated = calibrate_model(model, temperature, photos, answers)
    calibrated["looks"] = calibrate_looks(model, source, photos, OUTLIERS in photos)
    with replacing(folder / WEIGHTS) as temporary:
        weights = {name: value.contiguous() for name, value in network.state_dict().items()}
        temporary.write_bytes(safetensors.torch.save(weights))
    print(f"exporting {SALIENCY}", flush=True)
    differences["saliency"] = export_saliency(network, folder, check_photos(photos))
    trained = [row for row in run.history if row["split"] == "train"]
    seconds, each = sum(row["seconds"] for row in trained), epoch_photos(photos["train"], recipe)
    report = {
        **run.trained,
        "species": photos["val"].species,
        "layers": layer_count(network),
        "parameters": sum(p.numel() for p in network.parameters()),
        "best_epoch": run.best_epoch,
        "best_by": best_by(photos["train"].labels),
        "temperature": temperature,
        "seconds": round(seconds, 1),
        "photos_per_second": round(each * len(trained) / seconds, 1),
        "metrics": metrics,
        "train_photos_scored": len(train_labels),
        "guess": guess(photos["train"].labels, photos["test"]),
        **calibrated,
        "export_differences": differences,
        "photos": {split: counted(photos[split]) for split in SPLITS},
        "outliers": counted(photos[OUTLIERS]) if OUTLIERS in photos else None,
        "versions": {name: version(name) for name in ("torch", "torchvision", "onnx", "pillow")},
    }
    write_json(folder / REPORT, report)
    print(*closing(report, photos["test"], answers["test"].logits.argmax(axis=1)), sep="\n")
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
        answers = predict_held_out(model, photos)
        report |= calibrate_model(model, report["temperature"], photos, answers)
        report["looks"] = calibrate_looks(model, source, photos, bool(report.get("outliers")))
    for split in answers:
        report["metrics"][split] = metrics_of(photos[split].labels, answers[split].logits)
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
    novelty, logits = fit_novelty(network, train.pixels, train.labels)
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


def predict_held_out(model: Path, photos: dict[str, PhotoSet]) -> dict[str, Predictions]:
    """The exported file's predictions on val and test: what is shipped is what is measured."""
    found = {}
    for split in ("val", "test"):
        print(f"predicting {len(photos[split].labels):,} {split} photos", flush=True)
        found[split] = cached_predictions(model, photos[split])
    return found


def check_photos(photos: dict[str, PhotoSet]) -> NDArray[np.uint8]:
    """Val photos (N, S, S, 3) on which an export is compared with torch."""
    return photos["val"].pixels[:: max(1, len(photos["val"].labels) // 16)]


def cached_predictions(model: Path, photos: PhotoSet) -> Predictions:
    """An exported model's predictions on photos, cached beside them for the next command."""
    # Without metadata, to which `calibrate_model` adds thresholds fitted on these predictions.
    graph = strip_debug_info(onnx.load(model)).SerializeToString(deterministic=True)
    digest = hashlib.sha256(graph).hexdigest()[:16]
    kept = photos.array.with_name(f"{photos.array.stem}-{digest}.safetensors")
    if not kept.exists():
        outputs = onnx_outputs(model, photos.pixels, *Predictions._fields)
        with replacing(kept) as temporary:
            found = dict(zip(Predictions._fields, outputs, strict=True))
            safetensors.numpy.save_file(found, temporary)
    return Predictions(**safetensors.numpy.load_file(kept))


def metrics_of(labels: Labels, logits: Logits) -> dict[str, Any]:
    """Scores with intervals of logits (N, species) against labels (N,)."""
    return scores_with_intervals(labels, logits.argmax(axis=1))


def calibrate_model(
    model: Path, temperature: float, photos: dict[str, PhotoSet], answers: dict[str, Predictions]
) -> dict[str, Any]:
    """Give a model.onnx the thresholds that its answers to val photos call for.

    Returns:
        For report.json: the thresholds, and how they do on test photos.
    """
    val, test = answers["val"], answers["test"]
    novelty_threshold = float(np.quantile(val.novelty, ACCEPTED, method="higher"))
    thresholds = calibration.set_thresholds(val.logits, photos["val"].labels)
    calibrate(
        model,
        temperature=temperature,
        novelty_threshold=novelty_threshold,
        set_thresholds=thresholds,
    )
    return {
        "novelty": {
            "threshold": novelty_threshold,
            "accepted": {
                split: float((answers[split].novelty <= novelty_threshold).mean())
                for split in ("val", "test")
            },
        },
        "prediction_sets": calibration.coverage(test.logits, photos["test"].labels, thresholds),
    }
