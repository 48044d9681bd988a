import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from tests.trainer.conftest import copied
from trainer.evaluate.comparison import CONSENSUS, judged, main, pairs, reliability


def random_probabilities(count=400, species=4, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, species, count)
    logits = rng.normal(size=(count, species)) + 2 * np.eye(species)[labels]
    powers = np.exp(logits)
    return labels, powers / powers.sum(1, keepdims=True)


def test_reliability_bins_hold_all_photos_and_their_gaps_add_up_to_the_error():
    labels, probabilities = random_probabilities()
    error, bins = reliability(labels, probabilities)
    assert sum(b["photos"] for b in bins) == len(labels)
    gaps = sum(b["photos"] * abs(b["accuracy"] - b["confidence"]) for b in bins)
    assert error == pytest.approx(gaps / len(labels))
    mean = sum(b["photos"] * b["accuracy"] for b in bins) / len(labels)
    assert mean == pytest.approx(np.mean(probabilities.argmax(1) == labels))


def test_one_who_is_sure_and_half_right_is_wrong_by_half():
    labels = np.array([0, 1] * 50)
    sure = np.tile([1.0, 0.0], (100, 1))
    error, bins = reliability(labels, sure)
    assert error == pytest.approx(0.5)
    assert bins == [{"confidence": 1.0, "accuracy": 0.5, "photos": 100}]


def test_recall_and_confusion_are_of_the_same_answers():
    labels, probabilities = random_probabilities()
    result = judged(labels, probabilities, probabilities)
    confusion = np.array(result["confusion"])
    np.testing.assert_allclose(result["recall"], np.diag(confusion) / confusion.sum(1))
    assert confusion.sum() == len(labels)
    assert result["accuracy"]["value"] == pytest.approx(np.trace(confusion) / len(labels))
    assert np.mean(result["f1"]) == pytest.approx(result["macro_f1"]["value"])


def test_two_variants_that_are_right_alike_do_not_differ_and_two_unlike_ones_do():
    right = np.arange(100) < 60
    worse = right & (np.arange(100) >= 20)
    rows = pairs({"a": right, "b": right, "c": worse})
    assert [(row["a"], row["b"]) for row in rows] == [("a", "b"), ("a", "c"), ("b", "c")]
    same, unlike, _ = rows
    assert (same["only_a_right"], same["only_b_right"], same["p"]) == (0, 0, 1)
    assert (unlike["only_a_right"], unlike["only_b_right"]) == (20, 0)
    assert unlike["p"] == pytest.approx(2 * 0.5**20)
    assert unlike["p_holm"] == pytest.approx(3 * unlike["p"])


@pytest.fixture(scope="module")
def compared(trained, drawn_photos, tmp_path_factory) -> tuple[Path, dict]:
    """Two tiny checkpoints and what the command writes beside them."""
    home = tmp_path_factory.mktemp("compared")
    copied(trained, home / "checkpoints", "bin", "nn")
    arguments = ["--data", str(drawn_photos), "--output", str(home / "runs")]
    assert main([*arguments, "--checkpoints", str(home / "checkpoints")]) == 0
    return home / "checkpoints", json.loads(
        (home / "checkpoints" / "results" / "comparison.json").read_text()
    )


@pytest.mark.slow
def test_each_checkpoint_scores_what_its_report_says_of_all_looks(compared):
    folder, result = compared
    assert set(result["variants"]) == {"bin", "nn", CONSENSUS}
    for norm in ("bin", "nn"):
        report = json.loads((folder / norm / "report.json").read_text())
        assert (
            result["variants"][norm]["accuracy"] == (report["looks"]["metrics"]["test"]["accuracy"])
        )
        assert result["variants"][norm]["milliseconds"] > 0
        model = (folder / norm / "model.onnx").read_bytes()
        assert result["models"][norm] == hashlib.sha256(model).hexdigest()
    assert result["best"] in ("bin", "nn")
    assert f"(`{result['best']}`)" in result["sentence"]


@pytest.mark.slow
def test_our_batch_norm_and_torchs_give_the_same_losses(compared):
    sanity = compared[1]["sanity"]
    assert sanity["steps"] == 5  # all 72 photos
    assert sanity["largest_difference"] < 1e-4
