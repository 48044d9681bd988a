import copy

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx

from trainer.checkpoint.export.onnx_layers import Nodes, model_of, normalisation
from trainer.model import kernels
from trainer.model.norms import (
    NORMS,
    BatchInstanceNorm,
    BatchNorm,
    GroupNorm,
    InstanceNorm,
    LayerNorm,
    NoNorm,
)

CHANNELS = 8
BUILT_IN = {
    "bn": nn.BatchNorm2d,
    "in": lambda channels: nn.InstanceNorm2d(channels, affine=True),
    "ln": lambda channels: nn.GroupNorm(1, channels),
    "gn": lambda channels: nn.GroupNorm(4, channels),
}
OURS = ["bn", "in", "bin", "ln", "gn", "nn"]
TOLERANCE = {
    torch.float64: {"rtol": 1e-10, "atol": 1e-10},
    torch.float32: {"rtol": 1e-4, "atol": 1e-4},
    torch.bfloat16: {"rtol": 2e-2, "atol": 2e-2},
}


@pytest.fixture(params=["compiled", "plain"])
def mode(request, monkeypatch):
    if request.param == "compiled" and kernels.library() is None:
        pytest.skip("nothing can be compiled here")
    monkeypatch.setattr(kernels, "enabled", request.param == "compiled")


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def photos(*size, dtype=torch.float32, layout=torch.channels_last):
    return torch.randn(size or (3, CHANNELS, 5, 7)).to(dtype).to(memory_format=layout)


def layer(key, dtype=torch.float32, training=True):
    """A layer with weights that are not ones and zeros, and running statistics that have run."""
    norm = NORMS[key](CHANNELS)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.uniform_(0.2, 0.8, generator=generator)
        for name, buffer in norm.named_buffers():
            if name != "num_batches_tracked":
                buffer.uniform_(0.5, 1.5, generator=generator)
    return norm.to(dtype).train(training)


def twin(norm, key):
    """The built-in layer with the same weights and buffers."""
    built_in = BUILT_IN[key](CHANNELS).to(norm.weight.dtype).train(norm.training)
    built_in.load_state_dict(norm.state_dict())
    return built_in


def outputs_and_gradients(norm, x):
    x = x.clone().requires_grad_()
    y = norm(x)
    dy = torch.randn(y.shape, generator=torch.Generator().manual_seed(2))
    dy = dy.bfloat16().to(y.dtype)  # the same numbers in every data type
    return {
        "y": y.detach(),
        **dict(
            zip(
                ["x", *dict(norm.named_parameters())],
                torch.autograd.grad(y, [x, *norm.parameters()], dy),
                strict=True,
            )
        ),
    }


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format], ids=str)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("key", BUILT_IN)
def test_layer_matches_torch(mode, key, dtype, layout, training):
    norm, x = layer(key, dtype, training), photos(dtype=dtype, layout=layout)
    built_in = twin(norm, key)
    expected = outputs_and_gradients(built_in, x)
    got = outputs_and_gradients(norm, x)
    torch.testing.assert_close(got, expected, **TOLERANCE[dtype])
    torch.testing.assert_close(norm.state_dict(), built_in.state_dict(), **TOLERANCE[dtype])
    assert got["y"].stride() == got["x"].stride() == x.stride()


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("key", BUILT_IN)
def test_layer_in_bfloat16_autocast_is_the_float64_one_rounded(mode, key, training):
    norm, x = layer(key, training=training), photos(4, CHANNELS, 16, 16, dtype=torch.bfloat16)
    exact = outputs_and_gradients(twin(norm.double(), key), x.double())
    with torch.autocast("cpu", torch.bfloat16):
        got = outputs_and_gradients(norm.float(), x)
    assert got["y"].dtype == got["x"].dtype == torch.bfloat16
    for name, value in got.items():
        torch.testing.assert_close(value.double(), exact[name], **TOLERANCE[torch.bfloat16])


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize("key", OURS)
def test_gradients_pass_gradcheck(mode, key, training):
    norm, x = layer(key, torch.float64, training), photos(2, CHANNELS, 3, 2, dtype=torch.float64)
    inputs = (x.requires_grad_(), *norm.parameters())
    # By random projections of the Jacobian, whose whole takes long.
    assert torch.autograd.gradcheck(lambda x, *parameters: norm(x), inputs, fast_mode=True)


@pytest.mark.parametrize("key", ["bn", "bin"])
def test_running_statistics_follow_training_as_in_torch_and_rest_in_eval(mode, key):
    norm, built_in = NORMS[key](CHANNELS), nn.BatchNorm2d(CHANNELS)
    for _ in range(3):
        x = 2 + 3 * photos()
        norm(x), built_in(x)
    norm.eval()(photos())
    for name, buffer in built_in.named_buffers():
        torch.testing.assert_close(norm.get_buffer(name), buffer)


def test_state_dicts_of_bn_and_torch_bn_are_interchangeable():
    assert layer("bn").state_dict().keys() == layer("torch-bn").state_dict().keys()
    NORMS["bn"](CHANNELS).load_state_dict(layer("torch-bn").state_dict())
    NORMS["torch-bn"](CHANNELS).load_state_dict(layer("bn").state_dict())


@pytest.mark.parametrize("key", BUILT_IN)
@pytest.mark.parametrize("size", [(1, CHANNELS, 5, 7), (3, CHANNELS, 1, 1)], ids=str)
def test_a_batch_of_one_and_a_1x1_map_go_as_in_torch(key, size):
    norm, x = layer(key, torch.float64), photos(*size, dtype=torch.float64)
    try:
        expected = outputs_and_gradients(twin(norm, key), x)
    except ValueError:
        with pytest.raises(ValueError, match=type(norm).__name__):
            norm(x)
    else:
        torch.testing.assert_close(
            outputs_and_gradients(norm, x), expected, **TOLERANCE[torch.float64]
        )


@pytest.mark.parametrize("key", ["bn", "bin"])
def test_a_single_value_a_channel_is_refused_in_training_and_taken_in_eval(key):
    x = photos(1, CHANNELS, 1, 1)
    with pytest.raises(ValueError, match=r"Batch\w*Norm wants more than one value a channel"):
        layer(key)(x)
    assert layer(key, training=False)(x).shape == x.shape


@pytest.mark.parametrize("key", OURS)
def test_non_contiguous_maps_and_gradients_are_read_right(mode, key):
    norm = layer(key)
    gapped = photos(3, CHANNELS, 10, 7)[:, :, ::2].requires_grad_()
    dense = gapped.detach().contiguous().requires_grad_()
    torch.testing.assert_close(norm(gapped), norm(dense))
    for gradient_of in (lambda y: y.sum(), lambda y: y.transpose(2, 3).flatten(1)[:, ::3].sum()):
        got = torch.autograd.grad(gradient_of(norm(gapped)), gapped)
        expected = torch.autograd.grad(gradient_of(norm(dense)), dense)
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("key", OURS)
@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
def test_what_exporters_read_is_the_same_function(mode, key, training, monkeypatch):
    norm, twin, x = layer(key, training=training), layer(key, training=training), photos()
    got = outputs_and_gradients(norm, x)
    monkeypatch.setattr(torch.jit, "is_tracing", lambda: True)
    expected = outputs_and_gradients(twin, x)
    torch.testing.assert_close(got, expected, **TOLERANCE[torch.float32])
    torch.testing.assert_close(norm.state_dict(), twin.state_dict())


@pytest.mark.parametrize("training", [True, False], ids=["training", "eval"])
@pytest.mark.parametrize(("gate", "key"), [(1.0, "bn"), (0.0, "in")])
def test_batch_instance_norm_is_batch_norm_at_gate_one_and_instance_norm_at_gate_zero(
    gate, key, training
):
    norm, x = layer("bin", training=training), photos()
    nn.init.constant_(norm.gate, gate)
    other = NORMS[key](CHANNELS).train(training)
    other.load_state_dict(
        {name: norm.state_dict()[name] for name in other.state_dict()}, strict=True
    )
    torch.testing.assert_close(norm(x), other(x))


def test_a_gate_at_its_bound_still_learns_and_is_clipped_on_demand():
    norm = BatchInstanceNorm(CHANNELS)
    (norm(photos()) ** 3).sum().backward()
    assert (norm.gate == 1).all()
    assert (norm.gate.grad != 0).all()
    nn.init.uniform_(norm.gate, -2, 2)
    norm.clip_gate_()
    assert norm.gate.min() == 0
    assert norm.gate.max() == 1


def test_no_norm_is_a_scale_and_a_shift_of_each_channel_that_read_nothing_off_the_photos():
    norm, x = layer("nn"), photos()
    y = norm(x)
    torch.testing.assert_close(y, x * norm.weight[:, None, None] + norm.bias[:, None, None])
    torch.testing.assert_close(norm(x[:1]), y[:1])


def test_frozen_parameters_get_no_gradient_and_the_map_still_does(mode):
    for key in OURS:
        norm, x = layer(key).requires_grad_(False).eval(), photos().requires_grad_()
        norm(x).sum().backward()
        assert x.grad is not None
        assert norm.weight.grad is None


def test_a_layer_runs_without_gradients_in_inference_mode_and_copied(mode):
    for key in OURS:
        norm, x = layer(key, training=False), photos()
        y = norm(x).detach()
        with torch.no_grad():
            torch.testing.assert_close(copy.deepcopy(norm)(x), y)
        with torch.inference_mode():
            torch.testing.assert_close(norm(x), y)


def test_backward_can_be_taken_twice_through_a_kept_graph():
    norm, x = layer("bn"), photos().requires_grad_()
    y = norm(x).square().sum()
    first = torch.autograd.grad(y, x, retain_graph=True)
    torch.testing.assert_close(torch.autograd.grad(y, x), first)


@pytest.mark.parametrize("key", OURS)
def test_no_normalisation_function_of_torch_is_called(mode, key):
    norm, x = layer(key), photos().requires_grad_()
    with torch.profiler.profile() as profile:
        norm(x).sum().backward()
    called = {event.key for event in profile.key_averages()}
    assert "NormalizeBackward" in called
    assert not {name for name in called if name.startswith("aten::") and "norm" in name}


@pytest.mark.parametrize(
    ("norm", "name"),
    [
        (BatchNorm(CHANNELS), "BatchNorm"),
        (InstanceNorm(CHANNELS), "InstanceNorm"),
        (BatchInstanceNorm(CHANNELS), "BatchInstanceNorm"),
        (LayerNorm(CHANNELS), "LayerNorm"),
        (GroupNorm(CHANNELS), "GroupNorm"),
        (NoNorm(CHANNELS), "NoNorm"),
    ],
)
@pytest.mark.parametrize("size", [(3, CHANNELS), (CHANNELS, 5, 5), (2, 3, 5, 5)], ids=str)
def test_a_wrong_rank_or_channel_count_is_refused_by_name(norm, name, size):
    with pytest.raises(ValueError, match=rf"^{name} wants \(N, 8, H, W\), got \(.*\)$"):
        norm(torch.zeros(size))


def test_groups_can_be_set_and_must_divide_the_channels():
    x = photos()
    torch.testing.assert_close(GroupNorm(CHANNELS, groups=2)(x), nn.GroupNorm(2, CHANNELS)(x))
    for groups in (3, 0):
        with pytest.raises(ValueError, match="GroupNorm wants groups that divide 8 channels"):
            GroupNorm(CHANNELS, groups=groups)


@pytest.mark.parametrize("key", NORMS)
def test_onnx_of_any_batch_size_equals_torch(key):
    norm, nodes, size = layer(key, training=False), Nodes(), (CHANNELS, 5, 7)
    nodes("Identity", normalisation(norm)(nodes, "x")[0], name="y")
    model = model_of(nodes, {"x": (onnx.TensorProto.FLOAT, size)}, {"y": size})
    session = onnxruntime.InferenceSession(model.SerializeToString())
    for batch in (1, 4):
        x = 100 + photos(batch, *size)
        got = session.run(None, {"x": x.numpy()})[0]
        np.testing.assert_allclose(got, norm(x).detach().numpy(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("key", NORMS)
def test_gradient_for_the_photo_can_be_traced(key):
    norm, x = layer(key, training=False), photos()

    def answer(x):
        return norm(x).square().sum()

    traced = make_fx(torch.func.grad(answer))(x)
    x.requires_grad_()
    torch.testing.assert_close(
        traced(x.detach()), torch.autograd.grad(answer(x), x)[0], rtol=1e-4, atol=1e-4
    )
