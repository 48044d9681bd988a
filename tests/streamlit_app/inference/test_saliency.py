import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from plumage.contract import GRAD_CAM, HIRESCAM, LAYERCAM
from plumage.photos import resized
from streamlit_app.inference.classifier import Classifier
from streamlit_app.inference.saliency import (
    CAMS,
    GREY,
    STAGES,
    STEPS,
    Saliency,
    SaliencyError,
    area,
    curve_chart,
    deletion_curve,
    erased,
    exhibits,
    visible,
)
from tests.conftest import IMAGE_SIZE, colour_checkpoint, draw_bird
from tests.saliency import add_saliency


@pytest.fixture
def folder(checkpoints: Path) -> Path:
    return add_saliency(checkpoints / "bn")


def test_the_gradient_is_the_targets_and_the_largest_of_the_three_colours(folder: Path) -> None:
    photo = draw_bird("red")
    pixels = np.asarray(resized(photo, IMAGE_SIZE))
    heatmap = Saliency(folder, IMAGE_SIZE).heatmap(photo, 2, smooth=False)
    np.testing.assert_allclose(heatmap, 3.0 * pixels.max(axis=-1))


def test_a_stages_map_is_that_of_its_paper(folder: Path) -> None:
    photo, saliency = draw_bird("red"), Saliency(folder, IMAGE_SIZE)
    features = np.asarray(resized(photo, IMAGE_SIZE)).transpose(2, 0, 1).astype(np.float64)
    gradient = 2 * features  # of the species whose index is 1
    expected = {
        GRAD_CAM: (gradient.mean(axis=(1, 2), keepdims=True) * features).sum(axis=0),
        HIRESCAM: (gradient * features).sum(axis=0),
        LAYERCAM: (gradient * features).sum(axis=0),  # no gradient here is negative
    }
    for method, heatmap in expected.items():
        for stage in STAGES:
            ours = saliency.stage_map(photo, 1, method, stage)
            np.testing.assert_allclose(ours, float(stage) * heatmap, rtol=1e-5)


def test_what_speaks_against_a_species_is_cut_off_each_value_or_their_sum() -> None:
    features = np.array([[[1.0, 2.0]], [[3.0, 4.0]]])  # two channels of one row
    gradient = np.array([[[1.0, -3.0]], [[-1.0, 1.0]]])
    maps = {method: cam(features, gradient).sum(axis=0) for method, cam in CAMS.items()}
    np.testing.assert_array_equal(maps[GRAD_CAM], [[-1.0, -2.0]])
    np.testing.assert_array_equal(maps[HIRESCAM], [[-2.0, -2.0]])
    np.testing.assert_array_equal(maps[LAYERCAM], [[1.0, 4.0]])


def test_smoothgrad_is_near_the_gradient_and_the_same_each_time(folder: Path) -> None:
    photo, saliency = draw_bird("red"), Saliency(folder, IMAGE_SIZE)
    plain, smooth = (saliency.heatmap(photo, 0, smooth=smooth) for smooth in (False, True))
    assert smooth.shape == plain.shape
    assert not np.array_equal(smooth, plain)
    assert abs(smooth - plain).mean() < 0.25 * plain.mean()
    np.testing.assert_array_equal(smooth, saliency.heatmap(photo, 0, smooth=True))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: (folder / "saliency.onnx").unlink(), "has no saliency.onnx"),
        (lambda folder: (folder / "saliency.onnx").write_bytes(b"?"), "cannot be opened"),
        (lambda folder: (folder / "weights.safetensors").write_bytes(b"!"), "of other weights"),
        (lambda folder: colour_checkpoint(folder) and swap(folder), "bn takes"),
    ],
)
def test_without_gradients_a_sentence_names_the_command(folder: Path, damage, words: str) -> None:
    damage(folder)
    with pytest.raises(SaliencyError, match=f"{words}.*python -m trainer.checkpoint.saliency"):
        Saliency(folder, IMAGE_SIZE)


def swap(folder: Path) -> None:
    (folder / "model.onnx").rename(folder / "saliency.onnx")


def test_a_gradient_of_another_size_is_refused_by_name(folder: Path) -> None:
    saliency = Saliency(folder, IMAGE_SIZE)
    saliency._graph.run = lambda inputs: [np.zeros((1, 2, 2, 3))] * 7  # type: ignore[method-assign]
    with pytest.raises(SaliencyError, match=r"checkpoint bn gives gradients of shapes \(1, 2"):
        saliency.heatmap(draw_bird(), 0, smooth=False)


def test_a_few_peaks_do_not_make_the_rest_of_a_map_look_cold() -> None:
    heatmap = np.full((20, 20), 1.0)
    heatmap[0, 0] = 100
    assert visible(heatmap).max() == 1
    one = np.zeros((20, 20))
    one[0, 0] = 3
    np.testing.assert_array_equal(visible(one), one)


def test_the_hottest_share_of_the_photo_turns_grey_and_no_more() -> None:
    photo = Image.new("RGB", (40, 20), "red")
    heatmap = np.zeros((4, 4), np.float32)
    heatmap[:, 3] = 1  # the right edge
    half = np.asarray(erased(photo, heatmap, 0.25)).reshape(20, 40, 3)
    grey = (half == GREY).all(axis=-1)
    assert grey.mean() == 0.25
    assert grey[:, 30:].all()
    assert erased(photo, heatmap, 0).tobytes() == photo.tobytes()
    assert (np.asarray(erased(photo, heatmap, 1)) == GREY).all()


def test_erasing_what_speaks_for_a_bird_costs_it_more_than_erasing_the_rest(
    checkpoints: Path,
) -> None:
    classifier, photo = Classifier(checkpoints / "bn"), draw_bird("red")
    heatmap = classifier.answer([photo]).heatmap(0, "Red-Bird")
    curve = deletion_curve(classifier, photo, heatmap, "Red-Bird")
    assert len(curve) == STEPS + 1
    assert curve.erased.iloc[[0, -1]].tolist() == [0, 1]
    given = dict(classifier.answer([photo]).ranking(0))["Red-Bird"]
    assert curve.probability.iloc[0] == pytest.approx(given, abs=1e-5)
    other_way = deletion_curve(classifier, photo, heatmap.max() - heatmap, "Red-Bird")
    assert area(curve) < area(other_way)


def test_the_curve_is_drawn_as_far_as_the_photo_is_erased(checkpoints: Path) -> None:
    classifier, photo = Classifier(checkpoints / "bn"), draw_bird("red")
    curve = deletion_curve(classifier, photo, np.ones((8, 8), np.float32), "Red-Bird")
    chart = curve_chart(curve, 0.25)
    rows = sorted(len(layer.data) for layer in chart.layer)
    assert rows == [6, 6, STEPS + 1]
    assert curve.probability.min() >= 0


def test_a_gallery_lists_the_photos_that_are_there(tmp_path: Path) -> None:
    assert exhibits(tmp_path, "bn") == []
    folder = tmp_path / "bn"
    folder.mkdir()
    entry = {"species": "Red-Bird", "kind": "right", "answered": "Red-Bird", "probability": 0.9}
    entries = [entry | {"photo": name} for name in ("a.jpg", "gone.jpg", "../a.jpg")]
    (folder / "gallery.json").write_text(json.dumps(entries))
    draw_bird().save(folder / "a.jpg")
    assert {exhibit.path for exhibit in exhibits(tmp_path, "bn")} == {folder / "a.jpg"}
    (folder / "gallery.json").write_text('{"no": "list"}')
    assert exhibits(tmp_path, "bn") == []
