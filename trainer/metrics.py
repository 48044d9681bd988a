"""Accuracy, micro F1, macro F1 with bootstrap intervals, and the softmax temperature."""

from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from scipy import optimize, special
from sklearn import metrics

from plumage.contract import OUTPUTS, PHOTOS
from plumage.looks import Run

Labels = NDArray[np.int64]
Logits = NDArray[np.float32]


def scores(labels: Labels, predicted: Labels) -> dict[str, float]:
    """Accuracy, micro F1 and macro F1 of single-label answers, in [0, 1].

    Args:
        labels: (N,) the species.
        predicted: (N,) the answers.
    """
    accuracy = float(metrics.accuracy_score(labels, predicted))
    macro_f1 = float(metrics.f1_score(labels, predicted, average="macro"))
    # With one answer a photo, each wrong one is a false positive and a false negative: the same.
    return {"accuracy": accuracy, "micro_f1": accuracy, "macro_f1": macro_f1}


def scores_with_intervals(
    labels: Labels, predicted: Labels, resamples: int = 1000
) -> dict[str, dict[str, float]]:
    """Each score as {value, low, high}: the 95% percentile bootstrap interval over photos.

    To draw photos with replacement is to draw the counts of the confusion matrix's cells from a
    multinomial distribution, which costs the same however many photos there are.
    """
    (truth, answer), counts = np.unique(np.stack([labels, predicted]), axis=1, return_counts=True)
    draws = np.random.default_rng(0).multinomial(len(labels), counts / len(labels), size=resamples)
    accuracy, macro_f1 = resampled_scores(truth, answer, draws)
    resampled = {"accuracy": accuracy, "micro_f1": accuracy, "macro_f1": macro_f1}
    return {
        name: {
            "value": value,
            "low": float(np.quantile(resampled[name], 0.025)),
            "high": float(np.quantile(resampled[name], 0.975)),
        }
        for name, value in scores(labels, predicted).items()
    }


def resampled_scores(
    truth: Labels, answer: Labels, draws: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Accuracy and macro F1 of every resample, as `scores` has them, in one go.

    Args:
        truth: (P,) the species of each cell of the confusion matrix.
        answer: (P,) its answer.
        draws: (R, P) how often each resample has drawn it.

    Returns:
        (R,) each.
    """
    right = draws * (truth == answer)
    species = np.arange(max(truth.max(), answer.max()) + 1)
    of_truth, of_answer = truth[:, None] == species, answer[:, None] == species
    seen = draws @ of_truth + draws @ of_answer  # of a species' photos and its answers
    f1 = 2 * (right @ of_truth) / np.maximum(seen, 1)
    return right.sum(axis=1) / draws.sum(axis=1), f1.sum(axis=1) / (seen > 0).sum(axis=1)


def fit_temperature(logits: Logits, labels: Labels) -> float:
    """The T > 0 that minimises the cross-entropy of softmax(logits / T) (Guo et al. 2017)."""

    def cross_entropy(log_temperature: float) -> float:
        scaled = logits / np.exp(log_temperature)
        return metrics.log_loss(
            labels, special.softmax(scaled, axis=1), labels=np.arange(logits.shape[1])
        )

    best = optimize.minimize_scalar(cross_entropy, bounds=(-4, 4), method="bounded")
    return float(np.exp(best.x))


def session_options(threads: int = 0) -> onnxruntime.SessionOptions:
    """That number of threads, 0 for one a core, that sleep while they wait, as the app's:
    ones that spin hold up whatever else runs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    return options


def opened(model: Path) -> tuple[Run, int]:
    """A model.onnx as `plumage.looks.answer` calls it, and the side in pixels of its photos."""
    session = onnxruntime.InferenceSession(
        model, session_options(), providers=["CPUExecutionProvider"]
    )

    def run(pixels: NDArray[np.uint8]) -> tuple[Logits, NDArray[np.float32], NDArray[np.float32]]:
        logits, heatmaps, novelty = session.run(list(OUTPUTS), {PHOTOS: pixels})
        return logits, heatmaps, novelty

    return run, session.get_inputs()[0].shape[1]


def onnx_outputs(
    model: Path, photos: NDArray[np.uint8], *names: str, batch_size: int = 8
) -> list[NDArray[np.float32]]:
    """An exported model's outputs for photos (N, S, S, 3) uint8, an array each."""
    providers = ["CPUExecutionProvider"]
    session = onnxruntime.InferenceSession(model, session_options(), providers=providers)
    batches = [
        session.run(list(names), {"photos": np.ascontiguousarray(photos[i : i + batch_size])})
        for i in range(0, len(photos), batch_size)
    ]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]
