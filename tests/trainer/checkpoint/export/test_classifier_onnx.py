import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from pytorch_grad_cam import GradCAM
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

from plumage.contract import OUTPUTS
from trainer.checkpoint.export import classifier_onnx
from trainer.checkpoint.export.classifier_onnx import ExportError, add_metadata, export
from trainer.checkpoint.novelty import fit_novelty
from trainer.model.norms import NORMS
from trainer.model.resnet import ResNet, to_input

BIRDS = Path(__file__).parents[5] / "shared" / "birds25" / "val"


def photos(count: int = 4, size: int = 32) -> np.ndarray:
    """Real photos where they are at hand, else noise."""
    files = sorted(BIRDS.rglob("*.jpg"))[:: 1000 // count][:count]
    if not files:
        shape = (count, size, size, 3)
        return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    squares = [Image.open(f).convert("RGB").resize((size, size)) for f in files]
    return np.stack([np.asarray(square) for square in squares])


def network(norm: str) -> ResNet:
    """A network with 3 outputs whose running statistics and weights are not those of the start."""
    torch.manual_seed(1)
    made = ResNet(NORMS[norm], n=1, outputs=3)
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith("gate"):
                parameter.uniform_(0.2, 0.8)
            elif parameter.ndim == 1:
                parameter.add_(0.1 * torch.randn_like(parameter))
    for _ in range(3):
        made(to_input(torch.from_numpy(photos(8))))
    return made


def write(path: Path, norm: str = "bn") -> dict[str, float]:
    species = ("Dodo", "Moa", "Roc")
    made = network(norm)
    novelty, _ = fit_novelty(made, photos(12), np.arange(12) % 3)
    return export(made, novelty, path, norm=norm, image_size=32, species=species, photos=photos())


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> Path:
    """A graph, to be read only."""
    path = tmp_path_factory.mktemp("written") / "model.onnx"
    write(path)
    return path


@pytest.mark.parametrize("norm", list(NORMS))
def test_the_graph_equals_torch_and_its_maps_pytorch_grad_cams(norm, tmp_path):
    path = tmp_path / "model.onnx"
    differences = write(path, norm)
    assert set(differences) == {"logits", "heatmaps", "novelty"}
    assert max(differences.values()) <= 1e-4
    logits, heatmaps, _ = onnxruntime.InferenceSession(path).run(OUTPUTS, {"photos": photos()})
    answers = logits.argmax(axis=1)
    answered = heatmaps[np.arange(len(answers)), answers]
    made = network(norm).eval()
    with GradCAM(made, [made.stages[-1]]) as cam:
        cam.get_target_width_height = lambda _: None  # keep the feature map's own resolution
        targets = [ClassifierOutputTarget(int(answer)) for answer in answers]
        expected = cam(to_input(torch.from_numpy(photos())), targets)
    # pytorch-grad-cam stretches maps from their least value to 0..1; that is undone here, since it
    # magnifies rounding wherever a map is nearly even.
    stretch = np.ptp(answered, axis=(1, 2)) / heatmaps.max(axis=(1, 2, 3))
    different = np.abs(scale_cam_image(answered) - expected).max(axis=(1, 2))
    assert (different * stretch).max() <= 1e-4


def test_the_graph_keeps_the_contract(written):
    session = onnxruntime.InferenceSession(written)
    (photo_input,) = session.get_inputs()
    assert (photo_input.name, photo_input.type) == ("photos", "tensor(uint8)")
    assert photo_input.shape[1:] == [32, 32, 3]
    for count in (1, 5):
        batch = np.zeros((count, 32, 32, 3), np.uint8)
        logits, heatmaps, novelty = session.run(list(OUTPUTS), {"photos": batch})
        assert (novelty.dtype, novelty.shape) == (np.float32, (count,))
        assert (logits.dtype, logits.shape) == (np.float32, (count, 3))
        assert (heatmaps.dtype, heatmaps.shape) == (np.float32, (count, 3, 8, 8))
        assert heatmaps.min() >= 0
    metadata = session.get_modelmeta().custom_metadata_map
    assert json.loads(metadata["species"]) == ["Dodo", "Moa", "Roc"]
    assert (metadata["norm"], metadata["image_size"]) == ("bn", "32")


def test_the_graph_holds_nothing_that_it_does_not_use(written):
    graph = onnx.load(written).graph
    used = {name for node in graph.node for name in node.input} | set(OUTPUTS)
    made = {node.output[0] for node in graph.node} | {part.name for part in graph.initializer}
    assert made <= used


def test_the_graph_says_nothing_of_the_machine_that_made_it(written):
    content = written.read_bytes()
    for trace in (b".py", b"site-packages", str(Path.cwd()).encode(), b"/home"):
        assert trace not in content


def test_what_is_fitted_on_answers_changes_the_metadata_alone(written, tmp_path):
    path = Path(shutil.copy(written, tmp_path))
    before = onnx.load(path)
    fitted = {"temperature": 1.75, "novelty_threshold": 2.5, "set_thresholds": {"0.9": 0.25}}
    add_metadata(path, fitted)
    after = onnx.load(path)
    assert before.graph == after.graph
    metadata = {entry.key: entry.value for entry in after.metadata_props}
    assert float(metadata["temperature"]) == 1.75
    assert float(metadata["novelty_threshold"]) == 2.5
    assert json.loads(metadata["set_thresholds"]) == {"0.9": 0.25}
    assert json.loads(metadata["species"]) == ["Dodo", "Moa", "Roc"]


def test_a_graph_that_differs_from_torch_is_not_kept(tmp_path, monkeypatch):
    real = classifier_onnx._with_metadata

    def another_bias(model: onnx.ModelProto, metadata: dict[str, str]) -> onnx.ModelProto:
        (bias,) = (part for part in model.graph.initializer if part.name.endswith("linear.bias"))
        bias.raw_data = (np.frombuffer(bias.raw_data, np.float32) + 0.01).tobytes()
        return real(model, metadata)

    monkeypatch.setattr(classifier_onnx, "_with_metadata", another_bias)
    with pytest.raises(ExportError, match="model.onnx was not written"):
        write(tmp_path / "model.onnx")
    assert not list(tmp_path.iterdir())
