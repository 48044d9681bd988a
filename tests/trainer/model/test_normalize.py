import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.model import kernels
from trainer.model.normalize import EPS, NormSpec, PoolAxes, normalize, plain

HALF = [torch.bfloat16, torch.float16]
OVER_PHOTOS = PoolAxes(all_photos=True)


@pytest.fixture(params=["compiled", "plain"])
def mode(request, monkeypatch):
    if request.param == "compiled" and kernels.library() is None:
        pytest.skip("nothing can be compiled here")
    monkeypatch.setattr(kernels, "enabled", request.param == "compiled")


def photos(*size, dtype=torch.float32):
    return torch.randn(size).to(dtype).to(memory_format=torch.channels_last)


def moments(x):
    """Of each channel of each photo."""
    ones = torch.ones(x.shape[1])
    return normalize(x, NormSpec(None, ones, (PoolAxes(),), (ones,)))[1][0]


def exact_moments(x):
    var, mean = torch.var_mean(x.double(), (2, 3), correction=0)
    return mean, var


def test_moments_of_mean_1000_and_deviation_one_tenth_are_right_to_one_in_a_thousand(mode):
    x = 1000 + 0.1 * photos(2, 16, 96, 96)
    mean, var = moments(x)
    exact_mean, exact_var = exact_moments(x)
    torch.testing.assert_close(mean, exact_mean.float(), rtol=1e-7, atol=0)
    torch.testing.assert_close(var.sqrt().double(), exact_var.sqrt(), rtol=1e-3, atol=0)


def test_an_odd_first_pixel_does_not_disturb_the_moments(mode):
    x = photos(2, 16, 96, 96)
    x[:, :, 0, 0] = -100
    mean, var = moments(x)
    exact_mean, exact_var = exact_moments(x)
    torch.testing.assert_close(mean.double(), exact_mean, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(var.double(), exact_var, rtol=1e-3, atol=0)


@pytest.mark.parametrize("dtype", HALF, ids=str)
def test_half_precision_maps_are_summed_in_float32(mode, dtype):
    # In bfloat16 a sum of ones stops at 256, in float16 at 2048.
    ones = torch.ones(2, 16, 64, 64, dtype=dtype).to(memory_format=torch.channels_last)
    scale, shift = torch.ones(16, requires_grad=True), torch.zeros(16, requires_grad=True)
    y, _, _ = normalize(ones, NormSpec(scale, shift))
    dscale, dshift = torch.autograd.grad(y, [scale, shift], ones)
    assert dscale.dtype == dshift.dtype == torch.float32
    assert (dscale == 2 * 64 * 64).all()
    assert (dshift == 2 * 64 * 64).all()
    x = photos(2, 16, 64, 64, dtype=dtype)
    mean, var = moments(x)
    assert mean.dtype == torch.float32
    exact_mean, exact_var = exact_moments(x)
    torch.testing.assert_close(mean.double(), exact_mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(var.double(), exact_var, rtol=1e-5, atol=0)


def test_gradients_do_not_depend_on_the_mean_that_their_sums_are_taken_around(mode):
    dy, x = photos(3, 16, 8, 8), photos(3, 16, 8, 8).requires_grad_()
    scale, shift = torch.randn(2, 16).requires_grad_()
    zero = torch.zeros(16)
    gradients = []
    for averages in ((), (PoolAxes(),), (OVER_PHOTOS, PoolAxes())):
        y, _, _ = normalize(x, NormSpec(scale, shift, averages, (zero,) * len(averages)))
        gradients.append(torch.autograd.grad(y, [x, scale, shift], dy))
    expected = [dy * scale[:, None, None], (dy * x).sum((0, 2, 3)), dy.sum((0, 2, 3))]
    for got in gradients:
        torch.testing.assert_close(list(got), expected, rtol=1e-4, atol=1e-4)


@settings(deadline=None, max_examples=30)
@given(size=st.tuples(*[st.integers(1, 5)] * 4), seed=st.integers(0, 99))
def test_pooled_moments_are_those_of_all_pixels_together(size, seed):
    x = torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    x = x.to(memory_format=torch.channels_last)
    weight = torch.ones(size[1], dtype=torch.float64)
    averages = (OVER_PHOTOS, PoolAxes(channels=size[1]), PoolAxes(True, size[1]))
    spec = NormSpec(None, 0 * weight, averages, (weight, weight, 0 * weight))
    batch_var, batch_mean = torch.var_mean(x, (0, 2, 3), correction=0)
    layer_var, layer_mean = torch.var_mean(x, (1, 2, 3), correction=0)
    scale = (batch_var + EPS).rsqrt() + (layer_var[:, None] + EPS).rsqrt()
    offset = batch_mean * (batch_var + EPS).rsqrt()
    offset = offset + (layer_mean * (layer_var + EPS).rsqrt())[:, None]
    for y, (batch, layer, everything) in (normalize(x, spec)[:2], plain(x, spec)):
        torch.testing.assert_close(batch[:, 0], torch.stack((batch_mean, batch_var)))
        torch.testing.assert_close(layer[:, :, 0], torch.stack((layer_mean, layer_var)))
        torch.testing.assert_close(everything[0, 0, 0], x.mean())
        torch.testing.assert_close(everything[1, 0, 0], x.var(correction=0))
        torch.testing.assert_close(y, scale[..., None, None] * x - offset[..., None, None])


def test_gradients_of_a_scale_and_three_averages_at_once_pass_gradcheck(mode):
    torch.manual_seed(0)
    x = torch.randn(2, 4, 3, 2, dtype=torch.float64).to(memory_format=torch.channels_last)
    inputs = (x, *torch.randn(5, 4, dtype=torch.float64))

    def apply(x, scale, shift, *weights):
        averages = (OVER_PHOTOS, PoolAxes(channels=4), PoolAxes(channels=2))
        return normalize(x, NormSpec(scale, shift, averages, weights))[0]

    assert torch.autograd.gradcheck(apply, [t.requires_grad_() for t in inputs])


def test_terms_without_averages_are_a_scale_and_a_shift(mode):
    x, scale, shift = photos(2, 3, 4, 4), torch.randn(3), torch.randn(3)
    y, found, _ = normalize(x, NormSpec(scale, shift))
    torch.testing.assert_close(y, x * scale[:, None, None] + shift[:, None, None])
    assert found == []


def test_an_empty_batch_gives_empty_tables(mode):
    mean, var = moments(photos(0, 16, 4, 4))
    assert mean.shape == var.shape == (0, 16)


@pytest.mark.parametrize("added", [False, True])
def test_gradients_of_a_norm_with_residual_and_relu_pass_gradcheck(mode, added):
    torch.manual_seed(0)
    x, residual = torch.randn(2, 2, 4, 3, 2, dtype=torch.float64)
    x, residual = (t.to(memory_format=torch.channels_last) for t in (x, residual))
    inputs = (x, residual, *torch.randn(3, 4, dtype=torch.float64))

    def apply(x, residual, shift, *weights):
        spec = NormSpec(None, shift, (OVER_PHOTOS, PoolAxes()), weights)
        return normalize(x, spec, residual if added else None, relu=True)[0]

    assert torch.autograd.gradcheck(apply, [t.requires_grad_() for t in inputs])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("last", [False, True], ids=["channels first", "channels last"])
def test_a_residual_is_added_whatever_its_layout_before_the_result_is_rounded(mode, dtype, last):
    layout = torch.channels_last if last else torch.contiguous_format
    x, residual = photos(2, 16, 8, 8, dtype=dtype), torch.randn(2, 16, 8, 8).to(dtype)
    x = x.contiguous(memory_format=layout)
    ones = torch.ones(16)
    spec = NormSpec(None, ones, (OVER_PHOTOS,), (ones,))
    exact = (normalize(x.double(), spec)[0] + residual.double()).relu()
    y = normalize(x, spec, residual, relu=True)[0]
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=layout)
    torch.testing.assert_close(
        y, exact.to(dtype), rtol=1e-6 if dtype.itemsize == 4 else 1 / 128, atol=1e-5
    )


def test_a_residual_of_another_shape_or_without_a_relu_is_refused():
    x, ones = photos(2, 16, 8, 8), torch.ones(16)
    for residual, relu in ((x[:1], True), (x, False)):
        with pytest.raises(ValueError, match="wants the map's shape and a ReLU"):
            normalize(x, NormSpec(ones, ones), residual, relu)
