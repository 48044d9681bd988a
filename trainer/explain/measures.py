"""Measures of heatmaps on test photos, and their gallery."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from pytorch_grad_cam.utils.image import scale_cam_image
from scipy import special
from tqdm import tqdm

from plumage.contract import GALLERY, MODEL, RESULTS
from trainer.checkpoint.reports import read_reports
from trainer.checkpoint.write import open_network
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSet
from trainer.explain import faithfulness
from trainer.explain.attribution import heatmaps
from trainer.explain.faithfulness import Values
from trainer.explain.gallery import Predictions, write_gallery
from trainer.metrics import session_options
from trainer.recipe import Recipe
from trainer.utils.files import write_json
from trainer.utils.system import prepare
from trainer.verdicts.explain import SHOWN, conclude

RANDOM = "random"


def explain(
    source: PhotoFolder,
    checkpoints: Path,
    reports: dict[str, dict[str, Any]],
    wanted: Sequence[str],
    count: int,
    cache: Path,
) -> None:
    """Write the gallery and the numbers, one variant after the other.

    Args:
        source: of test photos.
        checkpoints: folder of the variants, which gets results/explain.json and results/gallery/.
        reports: of the variants to be measured, by name.
        wanted: species of the gallery; without any, none is written.
        count: how many test photos are measured.
        cache: folder in which decoded photos are kept.

    Raises:
        PhotoSetError: the photos cannot be read.
    """
    prepare()
    path, gallery = checkpoints / RESULTS / "explain.json", checkpoints / RESULTS / GALLERY
    for name, report in reports.items():
        folder, recipe = checkpoints / name, Recipe.from_report(report["recipe"])
        test = source.load("test", recipe.image_size, cache)
        options = session_options(torch.get_num_threads())
        session = onnxruntime.InferenceSession(folder / MODEL, options)
        answers = answer(session, test.pixels, test.labels, report["temperature"])
        if wanted:
            write_gallery(gallery, name, source, test, answers, wanted)
        measured = measure(folder, recipe, session, test, answers, count)
        measured["confusion"] = confusion(test, answers.species, wanted)
        # Read again each time: a command for another variant may have written meanwhile.
        kept = json.loads(path.read_text(encoding="utf-8"))["variants"] if path.exists() else {}
        there = read_reports(checkpoints)
        variants = {key: value for key, value in kept.items() if key in there}
        result = conclude(
            {"even_outer_share": faithfulness.EVEN, "variants": variants | {name: measured}}
        )
        write_json(path, result, indent=None)
        print(f"{name:10} {measured['verdict']}")


def answer(
    session: onnxruntime.InferenceSession,
    photos: NDArray[np.uint8],
    labels: NDArray[np.int64],
    temperature: float,
) -> Predictions:
    """A variant's answers to every photo (N, S, S, 3), in batches."""
    parts = []
    for start in range(0, len(labels), 50):
        true = labels[start : start + 50]
        batch = np.ascontiguousarray(photos[start : start + 50])
        logits, maps = session.run(["logits", "heatmaps"], {"photos": batch})
        row = np.arange(len(true))
        parts.append(
            (
                special.softmax(logits / np.float32(temperature), axis=1),
                maps[row, logits.argmax(axis=1)],
                maps[row, true],
            )
        )
    probabilities, answered, of_true = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Predictions(probabilities, answered, of_true)


def confusion(
    test: PhotoSet, answered: NDArray[np.int64], wanted: Sequence[str]
) -> dict[str, dict[str, int]]:
    """For each species wanted, how many of its photos were taken for which, most first."""
    counts = {}
    for name in wanted:
        of_it = answered[test.labels == test.species.index(name)]
        found = np.bincount(of_it, minlength=len(test.species))
        order = [int(i) for i in np.argsort(-found, kind="stable") if found[i]]
        counts[name] = {test.species[i]: int(found[i]) for i in order}
    return counts


def measure(
    folder: Path,
    recipe: Recipe,
    session: onnxruntime.InferenceSession,
    test: PhotoSet,
    answers: Predictions,
    count: int,
) -> dict[str, Any]:
    """All measures of one variant, each of the species that it answers."""
    right = answers.species == test.labels
    chosen = np.linspace(0, len(right) - 1, min(count, len(right))).astype(int)
    photos, species = test.pixels[chosen], answers.species[chosen]
    network = open_network(folder, recipe, len(test.species)).requires_grad_(False)
    blind = heatmaps(faithfulness.randomised(network), photos, species)
    maps = heatmaps(network, photos, species)
    side = photos.shape[1]
    noise = np.random.default_rng(0).random((len(photos), side // 4, side // 4))
    chance = scale_cam_image(noise, (side, side))
    erasing = faithfulness.Erasing(session, photos, species)
    reference = erasing.deletion(chance), erasing.insertion(chance)
    rows = [row(RANDOM, 3, *reference)]
    for (method, stage, found), (_, _, others) in tqdm(
        list(zip(maps, blind, strict=True)), folder.name, unit=" maps", leave=False
    ):
        erased, restored = erasing.deletion(found), erasing.insertion(found)
        gain = (restored - erased) - (reference[1] - reference[0])
        more = {"gain": gain, "rank_correlation": faithfulness.rank_correlation(found, others)}
        rows.append(row(method, stage, erased, restored, **more))
    shown = next(found for method, stage, found in maps if (method, stage) == SHOWN)
    return {
        "photos": len(photos),
        "methods": rows,
        "road": faithfulness.mean(faithfulness.road(network, photos, shown, species)),
        "outer": outer(answers.maps, right),
    }


def row(
    method: str,
    stage: int,
    erased: Values,
    restored: Values,
    **more: Values,
) -> dict[str, Any]:
    """The row of explain.json for a method at a stage: means with intervals."""
    values = {"deletion": erased, "insertion": restored} | more
    return {"method": method, "stage": stage} | {k: faithfulness.mean(v) for k, v in values.items()}


def outer(maps: NDArray[np.float32], right: NDArray[np.bool_]) -> dict[str, Any]:
    """The share of the shown maps in the photo's outer tenth, of correct and wrong predictions."""
    shares = faithfulness.outer_share(maps)
    kinds = {"right": shares[right], "wrong": shares[~right]}
    result: dict[str, Any] = {
        kind: faithfulness.mean(of_it) | {"photos": len(of_it)}
        for kind, of_it in kinds.items()
        if len(of_it) > 1  # one photo has no interval
    }
    if len(result) == 2:
        result["wrong_less_right"] = faithfulness.mean_difference(kinds["wrong"], kinds["right"])
    return result
