"""The trainer calibrates the answer of several looks that the app gives."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from PIL import Image

from plumage.looks import LOOKS
from plumage.photos import read_photo
from streamlit_app.inference.classifier import Classifier
from tests.conftest import COLOURS, colour_checkpoint, draw_bird
from trainer.checkpoint.calibrate_looks import calibrate_looks, measure_looks
from trainer.checkpoint.calibration import (
    is_doubtful,
    measured_where_shown,
    prediction_sets,
    set_thresholds,
    thresholds_where_shown,
)
from trainer.checkpoint.looks import main
from trainer.checkpoint.predictions import looked_at
from trainer.data.photo_folder import PhotoFolder

SIZES = [(96, 64), (64, 90), (80, 80), (200, 70)]


@pytest.fixture
def source(tmp_path: Path) -> PhotoFolder:
    """Photos of several shapes of six species in each split."""
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        for name, colour in COLOURS.items():
            folder = tmp_path / "photos" / split / name
            folder.mkdir(parents=True)
            for number, size in enumerate(SIZES):
                bird = np.asarray(draw_bird(tuple(255 * part for part in colour), size))
                noisy = bird + rng.normal(0, 20, bird.shape)
                photo = Image.fromarray(noisy.clip(0, 255).astype(np.uint8))
                photo.save(folder / f"{number}.png")
    return PhotoFolder(tmp_path / "photos")


def load(source: PhotoFolder, cache: Path) -> dict[str, Any]:
    return {split: source.load(split, 32, cache) for split in ("val", "test")}


def test_trainer_and_app_look_at_the_same_pixels(
    source: PhotoFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, photos = colour_checkpoint(tmp_path / "bn"), load(source, tmp_path / "cache")
    given: list[np.ndarray] = []

    class Recording(onnxruntime.InferenceSession):
        def run(self, names: list[str], inputs: dict[str, np.ndarray], *rest: Any) -> Any:
            given.append(inputs["photos"])
            return super().run(names, inputs, *rest)

    with monkeypatch.context() as patch:
        patch.setattr(onnxruntime, "InferenceSession", Recording)
        looked_at(folder / "model.onnx", source, photos, "val")
    calibrate_looks(folder / "model.onnx", source, photos)
    app = Classifier(folder)
    assert app.looks == LOOKS
    files = [source.path(file) for file in source.files["val"]]
    seen: list[np.ndarray] = []
    run = Classifier._run

    def record(classifier: Classifier, pixels: np.ndarray) -> Any:
        seen.append(pixels)
        return run(classifier, pixels)

    monkeypatch.setattr(Classifier, "_run", record)
    for start in range(0, len(files), 8):
        app.classify([read_photo(file.read_bytes()) for file in files[start : start + 8]])
    assert len(given) == len(seen) == 2 * 3
    for ours, theirs in zip(given, seen, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_app_accepts_the_share_of_val_photos_that_the_trainer_measured(
    source: PhotoFolder, tmp_path: Path
) -> None:
    folder, photos = colour_checkpoint(tmp_path / "bn"), load(source, tmp_path / "cache")
    fitted = calibrate_looks(folder / "model.onnx", source, photos)
    found = measure_looks(folder / "model.onnx", source, photos, fitted)
    files = [source.path(file) for file in source.files["val"]]
    answer = Classifier(folder).classify([read_photo(file.read_bytes()) for file in files])
    assert (~answer.is_ood).mean() == pytest.approx(found["accepted"]["val"])
    assert found["accepted"]["val"] >= 0.95
    # The numbers of species: the drawn checkpoint has them in another order than the folder.
    right = answer.probabilities.argmax(axis=1) == photos["val"].labels
    assert right.mean() == found["metrics"]["val"]["accuracy"]["value"]


def test_after_training_with_outliers_the_energy_counts_four_times_as_much(
    source: PhotoFolder, tmp_path: Path
) -> None:
    model, photos = colour_checkpoint(tmp_path / "bn") / "model.onnx", load(source, tmp_path / "c")
    plain, exposed = (
        measure_looks(model, source, photos, calibrate_looks(model, source, photos, outliers))
        for outliers in (False, True)
    )
    assert exposed["energy_weight"] == pytest.approx(4 * plain["energy_weight"])
    assert 0.93 <= exposed["accepted"]["val"] <= plain["accepted"]["val"]


def test_calibrating_leaves_the_answer_of_one_look_alone(
    source: PhotoFolder, tmp_path: Path
) -> None:
    folder, photos = colour_checkpoint(tmp_path / "bn"), load(source, tmp_path / "cache")
    before = {e.key: e.value for e in onnx.load(folder / "model.onnx").metadata_props}
    answer = Classifier(folder).classify([draw_bird()])
    calibrate_looks(folder / "model.onnx", source, photos)
    after = {e.key: e.value for e in onnx.load(folder / "model.onnx").metadata_props}
    assert {key: after[key] for key in before} == before
    assert set(after) - set(before) == {"looks"}
    again = Classifier(folder, one_look=True).classify([draw_bird()])
    np.testing.assert_array_equal(again.probabilities, answer.probabilities)


def test_the_command_calibrates_every_checkpoint_and_adds_to_its_report(
    source: PhotoFolder, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checkpoints = tmp_path / "checkpoints"
    report = {"species": sorted(COLOURS), "recipe": {"image_size": 32}, "kept": 1}
    for name in ("bn", "gn"):
        folder = colour_checkpoint(checkpoints / name, species=json.dumps(sorted(COLOURS)))
        (folder / "report.json").write_text(json.dumps(report))
    given = ["--data", str(source.root), "--output", str(tmp_path)]
    assert main([*given, "--checkpoints", str(checkpoints)]) == 0
    assert capsys.readouterr().out.count("of test photos right with centre and zoom") == 2
    for name in ("bn", "gn"):
        found = json.loads((checkpoints / name / "report.json").read_text())
        assert found["kept"] == 1
        assert found["looks"]["names"] == list(LOOKS)
        assert Classifier(checkpoints / name).looks == LOOKS


def test_coverage_is_measured_on_the_photos_that_show_a_set() -> None:
    sure, torn = [9.0, 0, 0], [1.0, 0.9, -9]
    logits = np.array([sure, torn, torn, torn, torn, torn], np.float32)
    labels = np.array([0, 0, 1, 2, 2, 0])
    accepted = np.array([True, True, True, True, True, False])
    assert is_doubtful(logits, 1.0).tolist() == [False] + 5 * [True]
    assert not is_doubtful(logits, 0.01).any()
    shown = is_doubtful(logits, 1.0) & accepted
    thresholds = {"0.9": 0.9, "0.95": 0.2}
    found = measured_where_shown(logits, labels, thresholds, shown)
    assert found == {"photos": 4, "coverage": 0.5, "size": 2.0}
    nothing = measured_where_shown(logits[:1], labels[:1], thresholds, shown[:1])
    assert nothing == {"photos": 0, "coverage": None, "size": None}


def test_sets_hold_the_species_as_promised_among_the_photos_that_show_them() -> None:
    """Most photos are easy; over all the promise holds by those alone."""
    rng = np.random.default_rng(0)

    def draw(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        labels, hard = rng.integers(0, 10, count), rng.random(count) < 0.2
        signal = np.where(hard, 1.5, 12)[:, None] * (np.arange(10) == labels[:, None])
        return (signal + rng.normal(0, 1, (count, 10))).astype(np.float32), labels, hard

    logits, labels, _ = draw(2000)
    test, own, _ = draw(20_000)
    shown, seen = is_doubtful(logits, 1.0), is_doubtful(test, 1.0)
    coverage = {}
    for name, thresholds in {
        "all": set_thresholds(logits, labels),
        "shown": thresholds_where_shown(logits, labels, shown),
    }.items():
        holds = prediction_sets(test, thresholds["0.95"])[np.arange(len(own)), own]
        coverage[name] = holds[seen].mean()
    assert coverage["all"] < 0.9
    assert 0.93 < coverage["shown"] < 0.97


def test_with_too_few_doubtful_photos_thresholds_are_those_of_all() -> None:
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(0, 1, (200, 5)).astype(np.float32), rng.integers(0, 5, 200)
    few = np.arange(200) < 10
    assert thresholds_where_shown(logits, labels, few) == set_thresholds(logits, labels)
