import json
import threading
from pathlib import Path

import numpy as np
import onnx
import pytest
from PIL import Image

from streamlit_app.inference.classifier import (
    CheckpointError,
    Classifier,
    checkpoints_folder,
    open_variants,
    version_of,
)
from tests.conftest import IMAGE_SIZE, SPECIES, colour_checkpoint, draw_bird, several_looks

COLOURS = ["red", "lime", "blue", "yellow", "cyan", "magenta"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return Classifier(colour_checkpoint(tmp_path_factory.mktemp("checkpoints") / "bn"))


def fault(folder: Path) -> str:
    with pytest.raises(CheckpointError) as caught:
        Classifier(folder)
    assert folder.name in str(caught.value)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def changed(folder: Path, change: str) -> Path:
    """The checkpoint with one thing about its graph done differently."""
    model = onnx.load(folder / "model.onnx")
    graph = model.graph
    if change == "input renamed":
        graph.input[0].name = graph.node[0].input[0] = "images"
    elif change == "heatmaps not an output":
        del graph.output[1]
    elif change == "one photo at a time":
        graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
    elif change == "no novelty":
        del graph.output[2], graph.node[-1]
    elif change == "one novelty for all photos":
        graph.initializer[-1].CopyFrom(
            onnx.numpy_helper.from_array(np.array([0, 1, 2, 3]), graph.initializer[-1].name)
        )
        graph.output[2].type.tensor_type.ClearField("shape")
    elif change == "logits of four dimensions":
        next(iter(graph.node[-2].attribute)).i = 1
        del graph.output[0].type.tensor_type.shape.dim[:]
        graph.output[0].type.tensor_type.ClearField("shape")
    onnx.save(model, folder / "model.onnx")
    return folder


def small_bird() -> Image.Image:
    """A blue bird at a third of a wide frame, and a larger red one at its right end."""
    photo = Image.new("RGB", (300, 100), (128, 128, 128))
    photo.paste("blue", (110, 40, 130, 60))
    photo.paste("red", (240, 10, 300, 90))
    return photo


def test_a_model_is_asked_by_the_looks_that_it_was_calibrated_for(tmp_path: Path) -> None:
    twice = Classifier(colour_checkpoint(tmp_path / "bn", looks=several_looks()))
    once = Classifier(tmp_path / "bn", one_look=True)
    assert (twice.looks, once.looks) == (("centre", "zoom"), ("whole",))
    answer = twice.classify([small_bird(), draw_bird("green")])
    assert [answer.ranking(photo)[0][0] for photo in (0, 1)] == ["Blue Bird", "Green Bird"]
    assert once.classify([small_bird()]).ranking(0)[0][0] == "Red Bird"


def test_the_closest_look_is_told_and_holds_the_bird(tmp_path: Path) -> None:
    classifier = Classifier(colour_checkpoint(tmp_path / "bn", looks=several_looks()))
    answer = classifier.classify([small_bird()])
    assert answer.frames is not None
    left, top, right, bottom = answer.frames[0][-1]
    assert (right - left) * 300 == pytest.approx((bottom - top) * 100) == pytest.approx(200 / 3)
    assert left <= 110 / 300 < 130 / 300 <= right
    assert top <= 0.4 < 0.6 <= bottom
    assert Classifier(classifier.folder, one_look=True).classify([small_bird()]).frames is None


def test_the_heatmap_of_several_looks_lies_over_the_whole_photo(tmp_path: Path) -> None:
    classifier = Classifier(colour_checkpoint(tmp_path / "bn", looks=several_looks()))
    heatmap = classifier.classify([small_bird()]).heatmap(0, "Blue Bird")
    height, width = heatmap.shape
    row, column = np.unravel_index(heatmap.argmax(), heatmap.shape)
    assert 0.35 < (row + 0.5) / height < 0.65
    assert 0.34 < (column + 0.5) / width < 0.45
    assert not heatmap[:, : width // 3 - 1].any()  # outside both looks


def test_the_combined_answer_has_a_calibration_of_its_own(tmp_path: Path) -> None:
    photo = [draw_bird(size=(96, 96))]
    plain = colour_checkpoint(tmp_path / "bn", looks=several_looks())
    fitted = several_looks(
        temperature=2.0, novelty_threshold=-1e9, set_thresholds={"0.9": 1, "0.95": 0}
    )
    other = colour_checkpoint(tmp_path / "gn", looks=fitted)
    first, second = Classifier(plain).classify(photo), Classifier(other).classify(photo)
    expected = np.sqrt(first.probabilities)
    np.testing.assert_allclose(
        second.probabilities, expected / expected.sum(axis=1, keepdims=True), rtol=1e-5
    )
    assert (first.is_ood[0], second.is_ood[0]) == (False, True)
    assert len(second.prediction_set(0)) == len(SPECIES)
    one = Classifier(other, one_look=True).classify(photo)
    assert (one.is_ood[0], len(one.prediction_set(0)) < len(SPECIES)) == (False, True)


def test_it_says_what_the_checkpoint_holds(classifier: Classifier) -> None:
    assert classifier.norm == "bn"
    assert classifier.image_size == IMAGE_SIZE
    assert classifier.species == SPECIES


def test_photos_of_any_shape_are_answered_in_one_batch(classifier: Classifier) -> None:
    photos = [draw_bird(colour, (40 + 30 * i, 200)) for i, colour in enumerate(COLOURS)]
    answer = classifier.classify(photos)
    assert answer.probabilities.shape == (6, 6)
    assert answer.heatmaps.shape == (6, 6, 8, 8)
    assert [answer.ranking(i)[0][0] for i in range(6)] == list(SPECIES)


def test_a_photo_is_answered_alike_alone_and_in_a_batch(classifier: Classifier) -> None:
    photos = [draw_bird(colour) for colour in COLOURS]
    batch = classifier.classify(photos)
    for index, photo in enumerate(photos):
        alone = classifier.classify([photo])
        np.testing.assert_allclose(alone.probabilities[0], batch.probabilities[index], atol=1e-6)
        np.testing.assert_allclose(alone.heatmaps[0], batch.heatmaps[index], atol=1e-6)


def test_probabilities_sum_to_one_and_the_ranking_falls(classifier: Classifier) -> None:
    answer = classifier.classify([draw_bird()])
    np.testing.assert_allclose(answer.probabilities.sum(axis=1), 1, rtol=1e-6)
    values = [probability for _, probability in answer.ranking(0)]
    assert values == sorted(values, reverse=True)
    assert len(values) == len(SPECIES)


def test_photos_are_squeezed_with_pillows_bicubic_filter(classifier: Classifier) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (90, 70, 3), np.uint8)
    photo = Image.fromarray(noise)
    squeezed = photo.resize((IMAGE_SIZE, IMAGE_SIZE), Image.Resampling.BICUBIC)
    expected = classifier.classify([squeezed]).probabilities
    np.testing.assert_array_equal(classifier.classify([photo]).probabilities, expected)


def test_the_heatmap_of_a_species_is_hot_where_its_bird_is(classifier: Classifier) -> None:
    heatmap = classifier.classify([draw_bird("blue")]).heatmap(0, "Blue Bird")
    assert heatmap.min() >= 0
    assert heatmap[4, 2] > 0
    assert heatmap[:, 5:].max() < 0.1 * heatmap[4, 2]


def test_a_temperature_softens_the_probabilities(tmp_path: Path) -> None:
    sure = Classifier(colour_checkpoint(tmp_path / "bn")).classify([draw_bird()])
    calm = Classifier(colour_checkpoint(tmp_path / "gn", temperature="2.0")).classify([draw_bird()])
    expected = np.sqrt(sure.probabilities)
    expected /= expected.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(calm.probabilities, expected, rtol=1e-5)


def test_a_photo_above_the_novelty_threshold_is_novel_and_no_other(classifier: Classifier) -> None:
    bright = Image.new("RGB", (50, 50), "white")
    assert classifier.classify([draw_bird(), bright, draw_bird("blue")]).is_ood.tolist() == [
        False, True, False,
    ]  # fmt: skip


def test_a_set_holds_the_species_that_reach_its_threshold_likeliest_first(tmp_path: Path) -> None:
    photo = [draw_bird("red")]
    raw = Classifier(colour_checkpoint(tmp_path / "bn")).classify(photo)
    ranking = raw.ranking(0)
    between = (ranking[2][1] + ranking[3][1]) / 2
    thresholds = json.dumps({"0.9": 1.0, "0.95": between})
    # The sets are of the raw probabilities, whatever the temperature.
    folder = colour_checkpoint(tmp_path / "gn", set_thresholds=thresholds, temperature="3.0")
    answer = Classifier(folder).classify(photo)
    assert (
        answer.prediction_set(0, 0.95)
        == answer.prediction_set(0)
        == [species for species, _ in ranking[:3]]
    )
    assert answer.prediction_set(0, 0.9) == [ranking[0][0]]  # never empty


def test_threads_share_one_classifier(classifier: Classifier) -> None:
    wrong = []

    def ask(index: int) -> None:
        for _ in range(20):
            if classifier.classify([draw_bird(COLOURS[index])]).ranking(0)[0][0] != SPECIES[index]:
                wrong.append(index)

    threads = [threading.Thread(target=ask, args=(index,)) for index in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "bn").mkdir()
    assert "no model.onnx" in fault(tmp_path / "bn")


@pytest.mark.parametrize("part", [0, 0.5, 0.99])
def test_a_truncated_model_is_named(tmp_path: Path, part: float) -> None:
    file = colour_checkpoint(tmp_path / "bn") / "model.onnx"
    data = file.read_bytes()
    file.write_bytes(data[: int(part * len(data))])
    fault(tmp_path / "bn")


@pytest.mark.parametrize(
    "key",
    ["norm", "image_size", "species", "temperature", "novelty_threshold", "set_thresholds"],
)
def test_missing_metadata_is_named(tmp_path: Path, key: str) -> None:
    assert key in fault(colour_checkpoint(tmp_path / "bn", **{key: None}))


@pytest.mark.parametrize(
    "metadata",
    [
        {"image_size": "large"},
        {"image_size": "64"},
        {"image_size": "-1"},
        {"image_size": "1025"},
        {"image_size": "9" * 5000},
        {"temperature": "0"},
        {"temperature": "nan"},
        {"temperature": "warm"},
        {"novelty_threshold": "inf"},
        {"novelty_threshold": "high"},
        {"set_thresholds": "[0.1, 0.05]"},
        {"set_thresholds": json.dumps({"0.9": 0.1})},
        {"set_thresholds": json.dumps({"0.9": 0.1, "0.95": -0.1})},
        {"looks": "zoom"},
        {"looks": "[]"},
        {"looks": several_looks(names=["zoom", "centre"])},
        {"looks": several_looks(names=["sideways"])},
        {"looks": several_looks(names=[])},
        {"looks": several_looks(energy_weight="inf")},
        {"looks": several_looks(temperature=0)},
        {"looks": several_looks(novelty_threshold=None)},
        {"looks": several_looks(set_thresholds={"0.9": 0.1})},
        {"species": "Hoopoe, House-Crow"},
        {"species": "7"},
        {"species": '"abcdef"'},
        {"species": '{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}'},
        {"species": "[" * 100_000},
        {"species": json.dumps([*SPECIES[:5], "bird\n"])},
        {"species": json.dumps([*SPECIES[:5], "bird\u202e"])},
        {"species": json.dumps([*SPECIES[:5], "b" * 101])},
        {"species": json.dumps([1, 2, 3, 4, 5, 6])},
        {"species": json.dumps(SPECIES[:5])},
        {"species": json.dumps([*SPECIES, "Hoopoe"])},
        {"species": json.dumps(["Hoopoe"] * 6)},
    ],
    ids=lambda metadata: str(metadata)[:60],
)
def test_metadata_that_the_graph_contradicts_is_named(
    tmp_path: Path, metadata: dict[str, str]
) -> None:
    fault(colour_checkpoint(tmp_path / "bn", **metadata))


@pytest.mark.parametrize(
    "change",
    [
        "input renamed",
        "heatmaps not an output",
        "one photo at a time",
        "no novelty",
        "one novelty for all photos",
        "logits of four dimensions",
    ],
)
def test_a_graph_that_breaks_the_contract_is_named(tmp_path: Path, change: str) -> None:
    fault(changed(colour_checkpoint(tmp_path / "bn"), change))


def test_variants_come_in_the_studys_order_and_new_ones_after(tmp_path: Path) -> None:
    for name in ("zebra", "torch-bn", "gn", "alpha", "bn", "bin"):
        colour_checkpoint(tmp_path / name)
    variants, faults = open_variants(tmp_path)
    assert list(variants) == ["bn", "bin", "gn", "torch-bn", "alpha", "zebra"]
    assert faults == []


def test_a_broken_checkpoint_is_named_and_the_others_serve(tmp_path: Path) -> None:
    colour_checkpoint(tmp_path / "bn")
    (tmp_path / "gn").mkdir()
    (tmp_path / "gn" / "model.onnx").write_bytes(b"not a model")
    colour_checkpoint(tmp_path / "in", species="[" * 100_000)
    (tmp_path / "README.md").write_text("not a variant")
    variants, faults = open_variants(tmp_path)
    assert list(variants) == ["bn"]
    assert [fault.split()[2] for fault in faults] == ["in", "gn"]


def test_a_missing_checkpoints_folder_holds_no_variants(tmp_path: Path) -> None:
    assert open_variants(tmp_path / "nowhere") == ({}, [])


def test_the_version_changes_when_a_variant_appears_changes_or_goes(tmp_path: Path) -> None:
    seen = {version_of(tmp_path)}
    model = colour_checkpoint(tmp_path / "bn") / "model.onnx"
    seen.add(version_of(tmp_path))
    colour_checkpoint(tmp_path / "gn")
    seen.add(version_of(tmp_path))
    model.touch()
    seen.add(version_of(tmp_path))
    model.unlink()
    seen.add(version_of(tmp_path))
    assert len(seen) == 5


def test_the_checkpoints_folder_is_beside_the_package_unless_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("PLUMAGE_CHECKPOINTS", raising=False)
    assert checkpoints_folder() == Path(__file__).parents[3] / "checkpoints"
    monkeypatch.setenv("PLUMAGE_CHECKPOINTS", str(tmp_path))
    assert checkpoints_folder() == tmp_path


def test_a_set_of_several_looks_is_the_likeliest_species_where_that_is_very_likely(
    tmp_path: Path,
) -> None:
    everything = {"0.9": 0, "0.95": 0}
    for name, temperature, size in (("bn", 0.01, 1), ("gn", 100.0, len(SPECIES))):
        fitted = several_looks(temperature=temperature, set_thresholds=everything)
        answer = Classifier(colour_checkpoint(tmp_path / name, looks=fitted)).classify(
            [draw_bird()]
        )
        assert (answer.ranking(0)[0][1] >= 0.9) == (size == 1)
        assert len(answer.prediction_set(0)) == size
