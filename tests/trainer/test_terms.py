import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.terms import EPS, Terms, normalize, resolve


def over_photos(table):
    return table.mean(-2, keepdim=True)


def over_channels(table):
    return table.mean(-1, keepdim=True).expand_as(table).contiguous()


@settings(deadline=None, max_examples=30)
@given(size=st.tuples(*[st.integers(1, 5)] * 4), seed=st.integers(0, 99))
def test_pooled_moments_are_those_of_all_pixels_together(size, seed):
    x = torch.randn(size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    weight = torch.ones(size[1], dtype=torch.float64)
    terms = Terms(None, 0 * weight, (over_photos, over_channels), (weight, weight))
    a, _, (batch, layer) = resolve(terms, x)
    batch_var, batch_mean = torch.var_mean(x, (0, 2, 3), correction=0)
    layer_var, layer_mean = torch.var_mean(x, (1, 2, 3), correction=0)
    torch.testing.assert_close([batch.mean[0], batch.var[0]], [batch_mean, batch_var])
    torch.testing.assert_close([layer.mean[:, 0], layer.var[:, 0]], [layer_mean, layer_var])
    torch.testing.assert_close(a, (batch_var + EPS).rsqrt() + (layer.var + EPS).rsqrt())


def test_gradients_of_a_scale_and_two_averages_at_once_pass_gradcheck():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 4, 2, dtype=torch.float64).to(memory_format=torch.channels_last)
    inputs = (x, *torch.randn(4, 3, dtype=torch.float64))

    def apply(x, scale, shift, *weights):
        return normalize(x, Terms(scale, shift, (over_photos, over_channels), weights))[0]

    assert torch.autograd.gradcheck(apply, [t.requires_grad_() for t in inputs])


def test_terms_without_averages_are_a_scale_and_a_shift():
    x, scale, shift = torch.randn(2, 3, 4, 4), torch.randn(3), torch.randn(3)
    y, moments = normalize(x, Terms(scale, shift))
    torch.testing.assert_close(y, x * scale[:, None, None] + shift[:, None, None])
    assert moments == []
