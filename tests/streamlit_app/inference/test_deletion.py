from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from streamlit_app.inference.classifier import Classifier
from streamlit_app.inference.deletion import (
    GREY,
    STEPS,
    area,
    curve_chart,
    deletion_curve,
    erased,
)
from tests.conftest import colour_checkpoint, draw_bird, several_looks


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


def test_erasing_the_evidence_for_a_bird_costs_more_than_erasing_the_rest(
    checkpoints: Path,
) -> None:
    classifier, photo = Classifier(checkpoints / "bn"), draw_bird("red")
    heatmap = classifier.classify([photo]).heatmap(0, "Red Bird")
    curve = deletion_curve(classifier, photo, heatmap, "Red Bird")
    assert len(curve) == STEPS + 1
    assert curve.erased.iloc[[0, -1]].tolist() == [0, 1]
    given = dict(classifier.classify([photo]).ranking(0))["Red Bird"]
    assert curve.probability.iloc[0] == pytest.approx(given, abs=1e-5)
    other_way = deletion_curve(classifier, photo, heatmap.max() - heatmap, "Red Bird")
    assert area(curve) < area(other_way)


def test_the_curve_is_drawn_as_far_as_the_photo_is_erased(checkpoints: Path) -> None:
    classifier, photo = Classifier(checkpoints / "bn"), draw_bird("red")
    curve = deletion_curve(classifier, photo, np.ones((8, 8), np.float32), "Red Bird")
    chart = curve_chart(curve, 0.25)
    rows = sorted(len(layer.data) for layer in chart.layer)
    assert rows == [6, 6, STEPS + 1]
    assert curve.probability.min() >= 0


def test_the_curve_of_several_looks_starts_at_the_photos_own_probability(tmp_path: Path) -> None:
    classifier = Classifier(colour_checkpoint(tmp_path / "bn", looks=several_looks()))
    photo = draw_bird("red", (360, 200))
    answer = classifier.classify([photo])
    curve = deletion_curve(classifier, photo, answer.heatmap(0, "Red Bird"), "Red Bird")
    given = dict(answer.ranking(0))["Red Bird"]
    assert curve.probability.iloc[0] == pytest.approx(given, abs=0.02)
    assert curve.probability.iloc[-1] < given
