"""What only a GPU can show; skipped where there is none."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from trainer.data.batches import Batches
from trainer.data.photo_set import PhotoSet
from trainer.model import kernels
from trainer.model.norms import NORMS
from trainer.recipe import Recipe
from trainer.state import new_run
from trainer.training import predict, train_step

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")

OURS = [key for key in NORMS if key not in ("nn", "torch-bn")]
SMALL = Recipe(n=1, image_size=32, stored_size=40, batch_size=16, precision="float32")


@pytest.fixture(params=[True, False], ids=["compiled", "plain"])
def compiled(request, monkeypatch):
    monkeypatch.setattr(kernels, "enabled", request.param)


@pytest.fixture
def exactly(monkeypatch):
    """Convolutions in float32 proper, and not in the matrix units' shorter one."""
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)


def result_and_gradients(layer, x, dy):
    x = x.clone(memory_format=torch.channels_last).requires_grad_()
    y = layer(x)
    parameters = list(layer.parameters())
    return [y, *torch.autograd.grad(y, [x, *parameters], dy.to(y))]


@pytest.mark.parametrize("shape", [(8, 16, 24, 24), (3, 32, 12, 20)], ids=str)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.bfloat16, 1e-2)], ids=str
)
@pytest.mark.parametrize("key", OURS)
def test_norms_compute_on_a_gpu_what_they_compute_in_float64(
    key, dtype, tolerance, shape, compiled
):
    torch.manual_seed(0)
    x, dy = (torch.randn(shape).to(dtype) for _ in range(2))
    layer = NORMS[key](shape[1])
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.copy_(torch.rand_like(parameter))
    for training in (True, False):
        layer.train(training)
        expected = result_and_gradients(layer.double().cpu(), x.double(), dy.double())
        found = result_and_gradients(layer.float().cuda(), x.cuda(), dy.cuda())
        for mine, exact in zip(found, expected, strict=True):
            difference = (mine.double().cpu() - exact).norm() / exact.norm()
            assert difference < tolerance


@pytest.mark.parametrize("key", NORMS)
def test_steps_on_a_gpu_are_those_on_a_processor(key, tmp_path, exactly):
    photos = np.random.default_rng(0).integers(0, 256, (40, 40, 40, 3), np.uint8)
    np.save(tmp_path / "photos.npy", photos)
    labels = np.arange(40, dtype=np.int64) % 4
    train = PhotoSet(tmp_path / "photos.npy", labels, ("a", "b", "c", "d"), (), "")
    losses, logits = [], []
    for device in ("cpu", "cuda"):
        recipe = replace(SMALL, norm=key, device=device, learning_rate=0.003)
        run = new_run(recipe, 4)
        losses.append([])
        for batch in Batches(train, recipe, recipe.image_size, 0):
            losses[-1].append(train_step(run, recipe, *batch)[0].item())
        logits.append(predict(run.network, photos[:, :32, :32], recipe))
    np.testing.assert_allclose(*losses, rtol=1e-3)
    torch.testing.assert_close(*logits, rtol=1e-2, atol=1e-2)
