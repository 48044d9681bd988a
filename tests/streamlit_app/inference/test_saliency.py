from pathlib import Path

import numpy as np
import pytest

from plumage.contract import GRAD_CAM, HIRESCAM, LAYERCAM
from plumage.photos import resized
from streamlit_app.inference.saliency import (
    CAMS,
    STAGE_LABELS,
    Saliency,
    SaliencyError,
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
        for stage in STAGE_LABELS:
            ours = saliency.stage_map(photo, 1, method, stage)
            np.testing.assert_allclose(ours, float(stage) * heatmap, rtol=1e-5)


def test_evidence_against_a_species_is_cut_off_each_value_or_their_sum() -> None:
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


@pytest.mark.parametrize("size", [(300, 200), (150, 260)])
def test_of_several_looks_the_maps_are_added_each_where_it_looked(
    folder: Path, size: tuple[int, int]
) -> None:
    photo = draw_bird("red").resize(size)
    saliency = Saliency(folder, IMAGE_SIZE)
    frames = np.array([[0.2, 0.0, 0.8, 1.0], [0.25, 0.25, 0.5, 0.5]])
    for map_of in (
        lambda photo, frames: saliency.heatmap(photo, 2, False, frames),
        lambda photo, frames: saliency.stage_map(photo, 1, HIRESCAM, "1", frames),
    ):
        both = map_of(photo, frames)
        parts = [map_of(photo, frames[[place]]) for place in range(2)]
        assert both.shape == tuple(2 * side for side in parts[0].shape)
        assert both.sum() == pytest.approx(sum(part.sum() for part in parts), rel=1e-4)
        rows, columns = np.nonzero(both)
        assert columns.min() >= int(0.2 * both.shape[1])
        assert columns.max() <= int(0.8 * both.shape[1])
        assert rows.min() == 0
