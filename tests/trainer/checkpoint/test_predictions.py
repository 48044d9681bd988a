"""A model's predictions are the same however they are made, and none is made twice."""

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from PIL import Image

from tests.conftest import IMAGE_SIZE, colour_checkpoint
from trainer.checkpoint import predictions
from trainer.checkpoint.predictions import cached_predictions, keep_predictions, looked_at
from trainer.data.photo_folder import PhotoFolder

SQUARE, WIDE = (60, 60), (90, 60)
BATCH = predictions.BATCH


def photo_set(folder: Path, sizes: list[tuple[int, int]]) -> PhotoFolder:
    """Photos of noise of these sizes in val, in the order of their names."""
    rng = np.random.default_rng(0)
    for split in ("train", "val", "test"):
        (folder / split / "bird").mkdir(parents=True)
        for number, (width, height) in enumerate(sizes if split == "val" else sizes[:1]):
            small = rng.integers(0, 256, (height // 10, width // 10, 3), dtype=np.uint8)
            photo = Image.fromarray(small).resize((width, height))
            photo.save(folder / split / "bird" / f"{number:03}.png")
    return PhotoFolder(folder)


@pytest.mark.parametrize(
    ("sizes", "asked"),
    [
        ([SQUARE] * (2 * BATCH + 3), [BATCH, BATCH, BATCH, BATCH, 3, 3]),
        ([SQUARE] * BATCH + [WIDE] * 3, [BATCH, BATCH, 3, 3, 3]),
        ([SQUARE, WIDE] * 2, [4, 4, 4]),
    ],
    ids=["square", "square, then wide", "mixed"],
)
def test_predictions_made_in_one_pass_are_those_made_apart_and_the_same_look_is_answered_once(
    sizes: list[tuple[int, int]],
    asked: list[int],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = colour_checkpoint(tmp_path / "bn") / "model.onnx"
    source = photo_set(tmp_path / "photos", sizes)
    apart, together = (
        {"val": source.load("val", IMAGE_SIZE, tmp_path / name)} for name in ("apart", "together")
    )
    expected = cached_predictions(model, apart["val"]), looked_at(model, source, apart, "val")
    counts: list[int] = []

    class Counting(onnxruntime.InferenceSession):
        def run(self, names: list[str], inputs: dict[str, np.ndarray], *rest: object) -> object:
            counts.append(len(inputs["photos"]))
            return super().run(names, inputs, *rest)

    monkeypatch.setattr(onnxruntime, "InferenceSession", Counting)
    keep_predictions(model, source, together, "val")
    assert counts == asked
    keep_predictions(model, source, together, "val")
    found = cached_predictions(model, together["val"]), looked_at(model, source, together, "val")
    assert counts == asked
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_array_equal(ours.logits, theirs.logits)
        np.testing.assert_array_equal(ours.novelty, theirs.novelty)


def test_only_what_is_missing_is_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = colour_checkpoint(tmp_path / "bn") / "model.onnx"
    source = photo_set(tmp_path / "photos", [SQUARE] * 3)
    photos = {"val": source.load("val", IMAGE_SIZE, tmp_path / "cache")}
    cached_predictions(model, photos["val"])
    keep_predictions(model, source, photos, "val")
    looked_at(model, source, photos, "val")
    said = [line for line in capsys.readouterr().out.splitlines() if "predicting" in line]
    assert said == ["predicting 3 val photos", "predicting 3 val photos by several looks"]
