import pytest
import torch
from torch import nn
from torch.nn import functional as F

from trainer.model.norms import NORMS
from trainer.model.resnet import PIXEL_DEVIATION, PIXEL_MEAN, ResNet, layer_count, to_input


def test_the_14_layer_network_with_batch_norm_has_176233_parameters():
    for key in ("bn", "torch-bn"):
        assert sum(p.numel() for p in ResNet(NORMS[key], n=2, outputs=25).parameters()) == 176_233


@pytest.mark.parametrize(("n", "layers"), [(1, 8), (2, 14), (3, 20), (5, 32)])
def test_the_network_has_6n_plus_2_layers(n, layers):
    assert layer_count(ResNet(NORMS["bn"], n=n)) == layers


def test_stages_run_at_full_half_and_quarter_resolution_with_16_32_and_64_filters():
    network = ResNet(NORMS["torch-bn"])
    shapes = []
    for stage in network.stages:
        stage.register_forward_hook(lambda _, __, y: shapes.append(tuple(y.shape[1:])))
    assert network(torch.zeros(2, 3, 32, 40)).shape == (2, 25)
    assert shapes == [(16, 32, 40), (32, 16, 20), (64, 8, 10)]


def test_outputs_widths_and_norm_are_arguments():
    network = ResNet(nn.InstanceNorm2d, n=1, outputs=7, widths=(4, 8, 12))
    assert network(torch.zeros(2, 3, 16, 16)).shape == (2, 7)
    assert network.features(torch.zeros(2, 3, 16, 16)).shape == (2, 12, 4, 4)
    assert sum(isinstance(m, nn.InstanceNorm2d) for m in network.modules()) == 9


@pytest.mark.parametrize("key", NORMS)
def test_a_block_computes_and_learns_as_its_steps_one_by_one_do(key):
    torch.manual_seed(0)
    block = ResNet(NORMS[key]).stages[1][0]
    x = torch.randn(4, 16, 8, 8).to(memory_format=torch.channels_last).requires_grad_()
    y = F.relu(block.norm1(block.conv1(x)))
    expected = F.relu(block.norm2(block.conv2(y)) + block.shortcut(x))
    dy, given = torch.randn_like(expected), [x, *block.parameters()]
    torch.testing.assert_close(block(x), expected, rtol=1e-4, atol=1e-5)
    gradients = [torch.autograd.grad(result, given, dy) for result in (block(x), expected)]
    torch.testing.assert_close(*gradients, rtol=1e-3, atol=1e-4)


def test_a_block_is_the_identity_when_its_last_norm_scales_by_zero():
    block = ResNet(NORMS["torch-bn"]).stages[0][0]
    nn.init.zeros_(block.norm2.weight)
    x = torch.rand(2, 16, 8, 8)
    assert torch.equal(block(x), x)


def test_input_is_normalised_and_channels_last():
    photos = torch.randint(0, 256, (2, 4, 6, 3), dtype=torch.uint8)
    x = to_input(photos)
    assert x.shape == (2, 3, 4, 6)
    assert x.is_contiguous(memory_format=torch.channels_last)
    expected = (photos[1, 2, 3, 0].item() - PIXEL_MEAN[0]) / PIXEL_DEVIATION[0]
    assert x[1, 0, 2, 3].item() == pytest.approx(expected, abs=1e-6)
