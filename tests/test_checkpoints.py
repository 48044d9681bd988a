"""The checkpoints that are shipped: whole, small, and as good as their reports say."""

import csv
import json
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from PIL import Image
from safetensors.numpy import load_file

from plumage.looks import LOOKS
from plumage.photos import read_photo
from streamlit_app.inference.classifier import Classifier
from trainer.checkpoint.export.saliency_onnx import difference_from, gradients, is_current
from trainer.checkpoint.write import open_network
from trainer.recipe import Recipe

ROOT = Path(__file__).parents[1]
FOLDERS = sorted(path.parent for path in (ROOT / "checkpoints").glob("*/report.json"))
BEST = ROOT / "checkpoints" / "bin"
FIELD = ROOT.parent / "shared" / "field_sample"
TEST_PHOTOS = ROOT.parent / "shared" / "birds25" / "test"


@pytest.fixture(params=FOLDERS, ids=lambda folder: folder.name)
def folder(request: pytest.FixtureRequest) -> Path:
    return request.param


def test_there_is_a_checkpoint() -> None:
    assert FOLDERS


def test_a_checkpoint_holds_the_five_files_of_the_contract_in_under_2_mb(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names == {
        "model.onnx",
        "saliency.onnx",
        "weights.safetensors",
        "report.json",
        "history.csv",
    }
    assert sum(path.stat().st_size for path in folder.iterdir()) < 2_000_000


def test_the_steps_of_the_model_card_give_the_apps_answer(folder: Path) -> None:
    session = onnxruntime.InferenceSession(folder / "model.onnx")
    metadata = session.get_modelmeta().custom_metadata_map
    looks, side = json.loads(metadata["looks"]), int(metadata["image_size"])
    noise = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    photo = Image.fromarray(noise).resize((150, 100), Image.Resampling.BICUBIC)

    def run(square: Image.Image) -> list[np.ndarray]:
        pixels = np.asarray(square.resize((side, side), Image.Resampling.BICUBIC))
        return session.run(["logits", "heatmaps", "novelty"], {"photos": pixels[None]})

    def probabilities(logits: np.ndarray, temperature: float) -> np.ndarray:
        scaled = np.exp((logits - logits.max()) / temperature)
        return scaled / scaled.sum()

    logits, _, novelty = run(photo)
    whole = Classifier(folder, one_look=True).classify([photo])
    assert list(whole.species) == json.loads(metadata["species"])
    expected = probabilities(logits, float(metadata["temperature"]))
    assert np.allclose(whole.probabilities, expected, atol=1e-5)
    assert whole.is_ood == (novelty > float(metadata["novelty_threshold"]))
    likely = probabilities(logits, 1)[0] >= json.loads(metadata["set_thresholds"])["0.95"]
    likely[logits.argmax()] = True
    assert np.array_equal(whole.prediction_sets[0.95][0], likely)

    first = run(photo.crop((25, 0, 125, 100)))
    heatmap = first[1][0, first[0].argmax()]
    cells = (np.arange(len(heatmap)) + 0.5) * 100 / len(heatmap)
    x, y = (heatmap.sum(axis) @ cells / heatmap.sum() for axis in (0, 1))
    left, top = (min(max(p - 100 / 3, 0), free) for p, free in ((25 + x, 250 / 3), (y, 100 / 3)))
    box = (left, top, left + 200 / 3, top + 200 / 3)
    second = run(photo.resize((side, side), Image.Resampling.BICUBIC, box=box))
    logits, novelty = ((one + two) / 2 for one, two in zip(first[::2], second[::2], strict=True))
    novelty = novelty - looks["energy_weight"] * np.log(np.exp(logits).sum())
    both = Classifier(folder).classify([photo])
    assert looks["names"] == ["centre", "zoom"]
    expected = probabilities(logits, float(looks["temperature"]))
    assert np.allclose(both.probabilities, expected, atol=1e-3)  # the zoom's box is rounded
    assert both.is_ood == (novelty > float(looks["novelty_threshold"]))


def test_report_history_weights_and_graph_are_of_one_run(folder: Path) -> None:
    report = json.loads((folder / "report.json").read_text())
    classifier = Classifier(folder)
    assert folder.name == classifier.norm == report["recipe"]["norm"]
    assert classifier.image_size == report["recipe"]["image_size"]
    assert list(classifier.species) == report["species"]
    history = pd.read_csv(folder / "history.csv")
    assert history.epoch.max() == report["recipe"]["epochs"]
    validated = history[history.split == "val"].set_index("epoch").accuracy
    assert validated[report["best_epoch"]] == pytest.approx(validated.max())
    weights = load_file(folder / "weights.safetensors")
    kept = (array for name, array in weights.items() if "running" not in name)
    assert report["parameters"] == sum(a.size for a in kept if a.ndim)


@pytest.mark.slow
def test_the_shipped_gradient_is_torchs_of_the_shipped_weights(folder: Path) -> None:
    assert is_current(folder)
    report = json.loads((folder / "report.json").read_text())
    recipe, species = Recipe.from_report(report["recipe"]), len(report["species"])
    # Patches, as photos have: on noise more ReLUs stand where rounding switches them.
    side = recipe.image_size // 8
    patches = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    photos = patches.repeat(side, axis=1).repeat(side, axis=2)
    function = gradients(open_network(folder, recipe, species).requires_grad_(False))
    assert difference_from(function, folder / "saliency.onnx", photos) < 1e-4


@pytest.mark.skipif(not TEST_PHOTOS.exists(), reason="the photos of ../shared/birds25 are absent")
@pytest.mark.slow
@pytest.mark.parametrize("one_look", [True, False])
def test_the_app_answers_as_many_test_photos_rightly_as_the_report_says(one_look: bool) -> None:
    folder = FOLDERS[0]
    classifier = Classifier(folder, one_look)
    files = sorted(TEST_PHOTOS.glob("*/*.jpg"))
    right = 0
    for start in range(0, len(files), 50):
        batch = files[start : start + 50]
        answer = classifier.classify([Image.open(file).convert("RGB") for file in batch])
        for i, file in enumerate(batch):
            right += answer.ranking(i)[0][0] == file.parent.name
    report = json.loads((folder / "report.json").read_text())
    assert report["photos"]["test"]["count"] == len(files)
    measured = report if one_look else report["looks"]
    # Sums run in another order in batches of another size: one photo may tip over.
    assert right / len(files) == pytest.approx(
        measured["metrics"]["test"]["accuracy"]["value"], abs=1.01 / len(files)
    )


def test_every_checkpoint_is_calibrated_for_the_same_looks(folder: Path) -> None:
    report = json.loads((folder / "report.json").read_text())
    assert list(Classifier(folder).looks) == report["looks"]["names"] == list(LOOKS)


def share_right_and_accepted(classifier: Classifier, rows: list[dict[str, str]]) -> float:
    """Of photos as people take them."""
    right = []
    for row in rows:
        answer = classifier.classify([read_photo((FIELD / "birds" / row["file"]).read_bytes())])
        right.append(answer.ranking(0)[0][0] == row["species"] and not answer.is_ood[0])
    return float(np.mean(right))


def share_accepted(classifier: Classifier, rows: list[dict[str, str]]) -> float:
    """Of photos of other birds and of no bird."""
    files = [FIELD / "others" / row["file"] for row in rows]
    answers = [classifier.classify([read_photo(file.read_bytes())]) for file in files]
    return float(np.mean([not answer.is_ood[0] for answer in answers]))


@pytest.mark.skipif(not FIELD.exists(), reason="the photos of ../shared/field_sample are absent")
@pytest.mark.slow
def test_closer_looks_help_on_photos_as_people_take_them() -> None:
    birds, others = (
        list(csv.DictReader((FIELD / name).read_text().splitlines()))
        for name in ("birds.csv", "others.csv")
    )
    one, closer = Classifier(BEST, one_look=True), Classifier(BEST)
    assert share_right_and_accepted(closer, birds) > share_right_and_accepted(one, birds) + 0.05
    small = [row for row in birds if row["size"] == "small"]
    assert share_right_and_accepted(closer, small) > share_right_and_accepted(one, small) + 0.2
    assert share_accepted(closer, others) < share_accepted(one, others) - 0.1
