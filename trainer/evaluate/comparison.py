"""Compare all checkpoints on the same test photos, answered as in the app: by all looks.

    python -m trainer.evaluate.comparison --data PHOTOS

writes checkpoints/results/comparison.json, from which the app, RESULTS.md and the model card draw:
scores with intervals, calibration, confusion, pairwise tests, and the consensus.
"""

import hashlib
import itertools
import statistics
import sys
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from scipy import special
from sklearn import metrics
from sklearn.calibration import calibration_curve
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests

from plumage.contract import CONSENSUS, MODEL
from trainer.checkpoint.reports import CheckpointArgs, checkpoints_for
from trainer.data.batches import Batches
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet
from trainer.evaluate.answers import Looks, held_out_answers
from trainer.metrics import Labels, scores_with_intervals, session_options
from trainer.recipe import Recipe
from trainer.schedule import training_size
from trainer.state import new_run
from trainer.training import train_step
from trainer.utils.cli import command_line
from trainer.utils.files import write_json
from trainer.utils.timing import interleaved
from trainer.verdicts.comparison import conclude

BINS = 15
SANITY_STEPS = 15

Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class Command(CheckpointArgs):
    """Compare the checkpoints on the test split and write checkpoints/results/comparison.json."""


def write_comparison(command: Command) -> None:
    """Write comparison.json; raises as `compare` does."""
    source, cache = command.photo_set, Path(command.output) / "cache"
    comparison = compare(command.checkpoints, source, cache)
    write_json(command.checkpoints / "results" / "comparison.json", comparison, indent=None)
    for name, variant in comparison["variants"].items():
        print(f"{name:10} {variant['accuracy']['value']:.3f}")


def compare(checkpoints: Path, source: PhotoFolder, cache: Path) -> dict[str, Any]:
    """The content of comparison.json.

    Raises:
        PhotoSetError: the photos cannot be read, or are of other species than a checkpoint's.
        CheckpointError: there is no checkpoint.
    """
    reports = checkpoints_for(source, checkpoints)
    probabilities, labels = {}, np.empty(0, np.int64)
    for name, report in reports.items():
        test = source.load("test", report["recipe"]["image_size"], cache)
        logits = held_out_answers(checkpoints / name, report, source, test, "test").logits
        labels = test.labels
        probabilities[name] = np.stack(
            [special.softmax(logits / t, axis=1) for t in (1.0, Looks.of(report).temperature)]
        )
    probabilities[CONSENSUS] = np.mean(list(probabilities.values()), axis=0)
    variants = {name: judged(labels, *both) for name, both in probabilities.items()}
    for name, milliseconds in answering_times(checkpoints, reports).items():
        variants[name]["milliseconds"] = milliseconds
    variants[CONSENSUS]["milliseconds"] = sum(v.get("milliseconds", 0) for v in variants.values())
    right = {name: both[1].argmax(1) == labels for name, both in probabilities.items()}
    return conclude(
        {
            "split": "test",
            "photos": len(labels),
            "species": list(source.species),
            "models": {name: digest(checkpoints / name / MODEL) for name in reports},
            "variants": variants,
            "pairs": pairs({name: right[name] for name in reports}),
            "sanity": sanity(source, cache),
        }
    )


def digest(file: Path) -> str:
    """The SHA-256 of a model.onnx, by which the app tells whether it is the one compared."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def judged(labels: Labels, raw: Probabilities, calibrated: Probabilities) -> dict[str, Any]:
    """Scores, calibration and confusion of one variant's probabilities, (N, species) each."""
    answers = calibrated.argmax(axis=1)
    species = np.arange(calibrated.shape[1])
    _, recall, f1, _ = metrics.precision_recall_fscore_support(
        labels, answers, labels=species, zero_division=0
    )
    after, bins = reliability(labels, calibrated)
    return {
        **scores_with_intervals(labels, answers),
        "calibration_error": {"before": reliability(labels, raw)[0], "after": after},
        "reliability": bins,
        "confusion": metrics.confusion_matrix(labels, answers, labels=species).tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
    }


def reliability(
    labels: Labels, probabilities: Probabilities
) -> tuple[float, list[dict[str, float]]]:
    """Expected calibration error and its bins (Guo et al. 2017, arXiv:1706.04599).

    Returns:
        The expected calibration error over 15 bins of equal width, in [0, 1], and for each bin
        with photos in it the mean confidence, the accuracy and the number of photos.
    """
    confidence = probabilities.max(axis=1).clip(0, 1)
    right = probabilities.argmax(axis=1) == labels
    accuracies, confidences = calibration_curve(right, confidence, n_bins=BINS)
    # The same edges and sides as calibration_curve has, so that its empty bins are these.
    bins = np.searchsorted(np.linspace(0, 1, BINS + 1)[1:-1], confidence)
    counts = np.bincount(bins, minlength=BINS)
    counts = counts[counts > 0]
    error = float(np.abs(accuracies - confidences) @ counts / len(labels))
    return error, [
        {"confidence": float(c), "accuracy": float(a), "photos": int(n)}
        for c, a, n in zip(confidences, accuracies, counts, strict=True)
    ]


def pairs(right: dict[str, NDArray[np.bool_]]) -> list[dict[str, Any]]:
    """McNemar's exact test for each two variants on the same photos, with Holm's correction."""
    rows = []
    for a, b in itertools.combinations(right, 2):
        table = metrics.confusion_matrix(right[a], right[b], labels=[True, False])
        rows.append(
            {
                "a": a,
                "b": b,
                "only_a_right": int(table[0, 1]),
                "only_b_right": int(table[1, 0]),
                "p": float(mcnemar(table, exact=True).pvalue),
            }
        )
    if rows:
        corrected = multipletests([row["p"] for row in rows], method="holm")[1]
        for row, p in zip(rows, corrected, strict=True):
            row["p_holm"] = float(p)
    return rows


def answering_times(
    checkpoints: Path, reports: dict[str, Any], repeats: int = 30
) -> dict[str, float]:
    """Median milliseconds for one photo by all looks on two threads, all variants in turns."""
    calls, looks, options = {}, {}, session_options(2)
    for name, report in reports.items():
        session = onnxruntime.InferenceSession(checkpoints / name / MODEL, options)
        size = report["recipe"]["image_size"]
        photos = np.full((1, size, size, 3), 128, np.uint8)
        calls[name] = partial(session.run, None, {"photos": photos})
        looks[name] = len(Looks.of(report).names)
    seconds = interleaved(calls, repeats)
    return {name: looks[name] * statistics.median(times) * 1e3 for name, times in seconds.items()}


def sanity(source: PhotoFolder, cache: Path) -> dict[str, Any]:
    """Do our batch norm and torch's own give the same losses, step by step, from the same start?

    Same weights, same batches, all in float64. Few steps: training is chaotic, and multiplies
    rounding tenfold every few steps.
    """
    recipe = replace(
        Recipe(), image_size=32, batch_size=16, precision="float32", learning_rate=0.05
    )
    photos = source.load("train", recipe.stored_size, cache)
    losses = [sanity_losses(replace(recipe, norm=norm), photos) for norm in ("bn", "torch-bn")]
    return {
        "steps": len(losses[0]),
        "loss": "float64",
        "largest_difference": max(abs(a - b) for a, b in zip(*losses, strict=True)),
    }


def sanity_losses(recipe: Recipe, photos: PhotoSet) -> list[float]:
    """Losses of the first steps of a run."""
    run = new_run(recipe, len(photos.species))
    run.network.double().register_forward_pre_hook(lambda _, inputs: (inputs[0].double(),))
    batches = itertools.islice(Batches(photos, recipe, training_size(recipe, 0), 0), SANITY_STEPS)
    return [train_step(run, recipe, *batch)[0].item() for batch in batches]


main = command_line(Command, write_comparison, "trainer.evaluate.comparison")

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
