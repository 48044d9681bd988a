import shutil

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.torch
import torch

from plumage.contract import SALIENCY_OUTPUTS, STAGES
from trainer.checkpoint.export.saliency_onnx import export_saliency, is_current
from trainer.explain import attribution
from trainer.model.norms import NORMS
from trainer.model.resnet import ResNet, to_input

SIZE = 24


@pytest.fixture(scope="module", params=NORMS)
def exported(request, tmp_path_factory):
    """A network with random weights and statistics, and the folder of its exported gradient."""
    torch.manual_seed(0)
    network = ResNet(NORMS[request.param], n=1, outputs=5).eval()
    for name, buffer in network.named_buffers():
        if name.endswith("running_var"):
            buffer.uniform_(0.5, 2)
    for name, parameter in network.named_parameters():
        if name.endswith("gate"):
            parameter.data.uniform_(0.2, 0.8)
    folder = tmp_path_factory.mktemp(request.param)
    safetensors.torch.save_file(network.state_dict(), folder / "weights.safetensors")
    photos = np.random.default_rng(0).integers(0, 256, (3, SIZE, SIZE, 3), dtype=np.uint8)
    assert export_saliency(network, folder, photos) < 1e-4
    return network, folder


@pytest.mark.parametrize("count", [1, 4])
def test_onnxruntime_gives_torchs_gradient_of_the_target_for_any_number_of_photos(exported, count):
    network, folder = exported
    photos = torch.randint(0, 256, (count, SIZE, SIZE, 3), dtype=torch.uint8)
    target = torch.randint(0, 5, (count,))
    pixels = photos.float().requires_grad_()
    network(to_input(pixels)).gather(1, target[:, None]).sum().backward()
    session = onnxruntime.InferenceSession(folder / "saliency.onnx")
    asked = {"photos": photos.numpy(), "target": target.numpy()}
    (saliency,) = session.run(["saliency"], asked)
    assert saliency.dtype == np.float32
    scale = float(pixels.grad.abs().max())
    np.testing.assert_allclose(saliency, pixels.grad.numpy(), rtol=0, atol=1e-4 * scale)
    of_stages = dict(zip(SALIENCY_OUTPUTS, session.run(list(SALIENCY_OUTPUTS), asked), strict=True))
    expected = attribution.gradients(network, to_input(photos), target)
    for stage, theirs in zip(STAGES, expected, strict=True):
        ours = of_stages[f"gradients_{stage}"]
        scale = float(theirs.abs().max())
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=0, atol=1e-4 * scale)
    features = network.features(to_input(photos)).detach().numpy()
    np.testing.assert_allclose(of_stages["features_3"], features, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("side", [8, 25, 30])
def test_sides_that_strides_do_not_divide_and_more_blocks_are_exported_too(side, tmp_path):
    torch.manual_seed(0)
    network = ResNet(NORMS["gn"], n=2, outputs=2).eval()
    safetensors.torch.save_file(network.state_dict(), tmp_path / "weights.safetensors")
    photos = np.random.default_rng(0).integers(0, 256, (5, side, side, 3), dtype=np.uint8)
    assert export_saliency(network, tmp_path, photos) < 1e-4


def test_the_graph_holds_nothing_that_it_does_not_use(exported):
    graph = onnx.load(exported[1] / "saliency.onnx", load_external_data=False).graph
    used = {name for node in graph.node for name in node.input} | set(SALIENCY_OUTPUTS)
    made = {node.output[0] for node in graph.node} | {part.name for part in graph.initializer}
    assert made <= used


def test_the_weights_are_stored_once(exported):
    _, folder = exported
    model = onnx.load(folder / "saliency.onnx", load_external_data=False)
    inside = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    assert inside < 0.1 * (folder / "weights.safetensors").stat().st_size
    places = {
        entry.value
        for tensor in model.graph.initializer
        for entry in tensor.external_data
        if entry.key == "location"
    }
    assert places == {"weights.safetensors"}


def test_a_graph_made_of_other_weights_is_told_from_a_current_one(exported, tmp_path):
    network, folder = exported
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    assert is_current(tmp_path)
    network.linear.bias.data += 1
    safetensors.torch.save_file(network.state_dict(), tmp_path / "weights.safetensors")
    assert not is_current(tmp_path)
    (tmp_path / "saliency.onnx").unlink()
    assert not is_current(tmp_path)
