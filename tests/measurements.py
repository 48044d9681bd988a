"""Files of results as the trainer writes them, with random but seeded numbers."""

import copy
import hashlib
import itertools
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from tests.conftest import SPECIES
from trainer.verdicts import VERDICTS

PHOTOS_A_SPECIES = 20
SEVEN = ("bn", "in", "bin", "ln", "gn", "nn", "torch-bn")


def result_file(checkpoints: Path, name: str) -> Path:
    """The path of a file of results, in a folder that is there."""
    path = checkpoints / "results" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def draw_comparison(
    variants: Sequence[str], species: Sequence[str] = SPECIES, seed: int = 0
) -> dict[str, Any]:
    """What comparison.json holds for these variants and their consensus.

    Each variant answers a random share of the photos wrongly; scores follow from the answers.
    """
    rng = np.random.default_rng(seed)
    labels = np.repeat(range(len(species)), PHOTOS_A_SPECIES)
    answers = {}
    for name in [*variants, "consensus"]:
        wrong = rng.random(len(labels)) < rng.uniform(0.05, 0.3)
        answers[name] = np.where(wrong, rng.integers(len(species), size=len(labels)), labels)
    found = {
        "split": "test",
        "photos": len(labels),
        "species": list(species),
        "models": dict.fromkeys(variants, hashlib.sha256(b"").hexdigest()),
        "variants": {name: judged(labels, answer, rng) for name, answer in answers.items()},
        "pairs": [
            pair(a, b, answers[a] == labels, answers[b] == labels)
            for a, b in itertools.combinations(variants, 2)
        ],
        "sanity": {"steps": 15, "largest_difference": 0.0},
    }
    return VERDICTS["comparison"](found)


def judged(labels: np.ndarray, answers: np.ndarray, rng: np.random.Generator) -> dict[str, Any]:
    count = labels.max() + 1
    confusion = np.zeros((count, count), int)
    np.add.at(confusion, (labels, answers), 1)
    recall = confusion.diagonal() / confusion.sum(axis=1)
    f1 = 2 * confusion.diagonal() / (confusion.sum(axis=0) + confusion.sum(axis=1))
    confidence = np.arange(0.3, 1, 1 / 15)
    error = rng.uniform(0.02, 0.1)
    return {
        "accuracy": score(recall.mean()),
        "micro_f1": score(recall.mean()),
        "macro_f1": score(f1.mean()),
        "milliseconds": rng.uniform(5, 15),
        "calibration_error": {"before": error, "after": error / 4},
        "reliability": [
            {"confidence": c, "accuracy": c - error, "photos": int(rng.integers(1, 40))}
            for c in confidence
        ],
        "confusion": confusion.tolist(),
        "recall": recall.tolist(),
        "f1": f1.tolist(),
    }


def pair(a: str, b: str, right_a: np.ndarray, right_b: np.ndarray) -> dict[str, Any]:
    """McNemar's test of two variants, with Bonferroni's correction in place of Holm's."""
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    p = math.erfc(abs(only_a - only_b) / math.sqrt(2 * (only_a + only_b)))
    counts = {"a": a, "b": b, "only_a_right": only_a, "only_b_right": only_b}
    return {**counts, "p": p, "p_holm": min(1.0, 21 * p)}


def score(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def write_report(folder: Path, accuracy: float = 0.8) -> None:
    """Put report.json and history.csv of a full run into a variant's folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.onnx").touch()
    scores = {name: score(accuracy) for name in ("accuracy", "micro_f1", "macro_f1")}
    report = {
        "recipe": {"norm": folder.name, "noun": "bird", "epochs": 4, "image_size": 96},
        "species": list(SPECIES),
        "parameters": 176_233,
        "best_epoch": 4,
        "seconds": 1800.0,
        "metrics": dict.fromkeys(("train", "val", "test"), scores),
        "photos": {"train": {"count": 900}, "val": {"count": 60}, "test": {"count": 120}},
        "novelty": {"threshold": 5.0, "accepted": {"val": 0.95, "test": 0.94}},
        "prediction_sets": draw_prediction_sets(),
    }
    (folder / "report.json").write_text(json.dumps(report))
    rows = [
        {"epoch": epoch, "split": split, "loss": 3 / epoch, "accuracy": accuracy * epoch / 4}
        for epoch in range(1, 5)
        for split in ("train", "val")
    ]
    history = pd.DataFrame(rows).assign(macro_f1=lambda table: table.accuracy)
    history.assign(learning_rate=0.1, seconds=100).to_csv(folder / "history.csv", index=False)


def write_short_runs(checkpoints: Path, accuracies: dict[str, Sequence[float]]) -> None:
    """Write studies/norms.csv: two epochs of each run, and its accuracy on test at the last."""
    rows = []
    for norm, seeds in accuracies.items():
        for seed, accuracy in enumerate(seeds):
            for epoch in (1, 2):
                rows += [(norm, seed, epoch, split, accuracy, 300.0) for split in ("train", "val")]
            rows.append((norm, seed, 2, "test", accuracy, np.nan))
    columns = ["norm", "seed", "epoch", "split", "accuracy", "seconds"]
    table = pd.DataFrame(rows, columns=columns).assign(macro_f1=lambda table: table.accuracy)
    table.to_csv(result_file(checkpoints, "studies/norms.csv"), index=False)


def write_results(checkpoints: Path, variants: Sequence[str] = SEVEN) -> dict[str, Any]:
    """Write everything that was measured of these variants; returns the comparison."""
    comparison = draw_comparison(variants)
    result_file(checkpoints, "comparison.json").write_text(json.dumps(comparison))
    accuracies = {}
    for name in variants:
        accuracy = comparison["variants"][name]["accuracy"]["value"]
        write_report(checkpoints / name, accuracy)
        accuracies[name] = [accuracy - 0.03, accuracy - 0.02, accuracy - 0.01]
    write_short_runs(checkpoints, accuracies)
    for name, drawn in (
        ("ood", draw_ood(variants)),
        ("border", draw_border()),
        ("leakage", draw_leakage(variants)),
    ):
        result_file(checkpoints, f"{name}.json").write_text(json.dumps(drawn))
    return comparison


def draw_ood(variants: Sequence[str]) -> dict[str, Any]:
    """What ood.json holds, with the scores that were compared."""
    rng, kinds = np.random.default_rng(0), ("no bird", "other birds")
    rows = []
    for name, kind in itertools.product(variants, kinds):
        area = score(rng.uniform(0.7, 0.95))
        area["auroc"] = area.pop("value")
        rows.append({"variant": name, "kind": kind, **area, "false_acceptance_rate": rng.uniform()})
    found = {
        "photos": {"no bird": 30, "other birds": 20},
        "rows": rows,
        "tuned_with": {"no bird": 31, "other birds": 21},
        "scores": [
            {"variant": name, "kind": kind, "score": which, "auroc": area}
            for name, kind in itertools.product(variants, kinds)
            for which, area in (("energy", 0.8), ("novelty", rng.uniform(0.85, 0.95)))
        ],
    }
    return VERDICTS["ood"](found)


def draw_leakage(variants: Sequence[str]) -> dict[str, Any]:
    """What leakage.json holds: each variant is 10 points better on near-duplicates."""
    found = {
        "photos": {"train": 900, "val": 60, "test": 1200},
        "pairs": {"copy": 12, "same scene": 1300},
        "with_near_duplicate": {"val": 20, "test": 600},
        "without_near_duplicate": ["val/Red Bird/1.png"],
        "rows": [
            {"variant": name, "near_duplicate": near, "accuracy": share, "low": 0.0, "high": 1.0}
            for name in variants
            for near, share in ((True, 0.9), (False, 0.8))
        ],
    }
    return VERDICTS["leakage"](found)


def draw_prediction_sets() -> dict[str, Any]:
    """What report.json holds of sets of species: the fourth species is held least."""
    held = [0.95, 0.9, 0.92, 0.7, 0.97, 0.96]
    return {
        level: {
            "coverage": sum(held) / len(held),
            "size": 1.5,
            "single": 0.6,
            "species_coverage": held,
            "species_size": [1.1, 1.2, 1.3, 2.4, 1.5, 1.6],
        }
        for level in ("0.9", "0.95")
    }


def draw_border() -> dict[str, Any]:
    """What border.json holds: whole photos make a shortcut of the corners, crops do not."""
    asked, groups = ("clean", "published", "black", "mirrored"), ("all", "bordered", "others")
    shares = dict(zip(groups, (0.6, 0.7, 0.5), strict=True))
    found: dict[str, Any] = {
        "recipe": {"photos_per_species": 300, "image_size": 48, "epochs": 5},
        "species": ["Red Bird", "Blue Bird"],
        "shares": [0.7, 0.97],
        "corner_share": 0.11,
        "rows": [],
        "changes": [],
        "heatmaps": [],
    }
    for way, corners, lost in (("none", 3.0, -0.3), ("crops", 1.0, -0.01)):
        for trained, heat in (("clean", 0.5), ("bordered", corners)):
            network = {"augmentation": way, "trained": trained}
            heatmap = np.ones((16, 16))
            heatmap[:2, :2] = 1 + heat
            for version, (group, share) in itertools.product(asked, shares.items()):
                interval = {"accuracy": share, "low": share - 0.02, "high": share + 0.02}
                taken = {"taken": share, "taken_low": share - 0.02, "taken_high": share + 0.02}
                place = {**network, "asked": version, "group": group}
                found["rows"].append({**place, **interval, **taken})
            found["heatmaps"] += [
                {**network, "asked": version, **score(heat / 10), "map": heatmap.tolist()}
                for version in ("clean", "black")
            ]
        found["changes"] += [
            {"augmentation": way, "asked": "clean", "group": group, **score(change)}
            for group, change in (("bordered", lost), ("others", 0.01))
        ]
    return VERDICTS["border"](found)


def draw_explained(variants: Sequence[str]) -> dict[str, Any]:
    """What explain.json holds: two methods at two stages, and chance."""
    rows = [{"method": "random", "stage": 3, "deletion": score(0.3), "insertion": score(0.4)}]
    gains = {("Grad-CAM", 1): 0.1, ("Grad-CAM", 3): 0.4, ("LayerCAM", 1): 0.5, ("LayerCAM", 3): 0.4}
    measures = {"deletion": score(0.2), "insertion": score(0.6), "rank_correlation": score(0.1)}
    rows += [
        {"method": method, "stage": stage, **measures, "gain": score(gain)}
        for (method, stage), gain in gains.items()
    ]
    outer = {"right": score(0.1), "wrong": score(0.2), "wrong_less_right": score(0.1)}
    variant = {"photos": 200, "methods": rows, "road": score(0.3), "outer": outer}
    variant["confusion"] = {"Blue Bird": {"Blue Bird": 50, "Red Bird": 10}}
    found = {
        "even_outer_share": 0.36,
        "variants": {name: copy.deepcopy(variant) for name in variants},
    }
    return VERDICTS["explain"](found)


def study_history(settings: dict[str, Any], accuracy: float | None) -> list[dict[str, Any]]:
    """Two epochs of a study's run, which ends with this accuracy on val; None: it diverges."""
    rows = [
        {**settings, "epoch": 1, "split": split, "loss": 3.0, "accuracy": 0.04}
        for split in ("train", "val")
    ]
    if accuracy is None:
        return [*rows, {**settings, "epoch": 2, "split": "train"}]
    last = {**settings, "epoch": 2, "loss": 1.0, "accuracy": accuracy}
    return [*rows, {**last, "split": "train"}, {**last, "split": "val"}]


def study_runs(name: str) -> list[tuple[dict[str, Any], float | None]]:
    """Settings and final accuracies of a study's runs, two seeds each; None: diverged."""
    rng = np.random.default_rng(0)
    keys: list[tuple[Any, ...]]
    if name == "optimizers":
        columns = ["optimizer_name", "peak_learning_rate", "schedule"]
        keys = list(itertools.product(("SGD", "Adam"), (0.002, 0.2), ("triangular",)))
        keys.append(("SGD", 0.2, "cosine"))
    elif name == "batch-size":
        columns = ["norm", "batch_size", "equal", "peak_learning_rate"]
        sizes = ((32, "both"), (8, "epochs"), (128, "epochs"), (8, "steps"), (128, "steps"))
        keys = [(norm, *size, rate) for norm in ("bn", "gn") for size in sizes for rate in (1, 2)]
    elif name == "depth":
        columns = ["norm", "n", "peak_learning_rate"]
        keys = list(itertools.product(("bn", "nn"), (1, 5), (0.1, 0.025)))
    elif name == "learning-rate":
        columns = ["norm", "peak_learning_rate"]
        keys = list(itertools.product(("bn", "nn"), (0.1, 0.2)))
    else:
        columns, keys = ["norm"], [(norm,) for norm in SEVEN]
    diverged = [("Adam", 0.2, "triangular"), ("nn", 5, 0.1), ("nn", 0.2)]
    return [
        (
            {**dict(zip(columns, key, strict=True)), "seed": seed},
            None if key in diverged else rng.uniform(0.2, 0.4),
        )
        for key in keys
        for seed in range(2)
    ]


def write_study(checkpoints: Path, name: str, done: int = 9, **more: str) -> None:
    """Write a study's two files, as if `done` of 9 runs had been made."""
    rows = [row for run in study_runs(name) for row in study_history(*run)]
    table = pd.DataFrame(rows)
    if name == "feature-quantiles":
        for percentile in (1, 20, 80, 99):
            values = percentile / 50 * table.epoch
            table[f"percentile_{percentile}"] = values.where(table.split == "val")
    facts = {
        "question": f"What of {name}?",
        "answer": f"No difference in {name}.",
        "recipe": {
            "image_size": 32,
            "photos_per_species": 192,
            "epochs": 2,
            "batch_size": 32,
        },
        "planned": 9,
        "done": done,
        "rule": "Rates are chosen.",
        "machines": [{"processor": "P", "cores": 2}],
        **more,
    }
    table.to_csv(result_file(checkpoints, f"studies/{name}.csv"), index=False)
    result_file(checkpoints, f"studies/{name}.json").write_text(json.dumps(facts))
