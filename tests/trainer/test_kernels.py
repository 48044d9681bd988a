import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer import kernels

MODES = ["compiled", "plain"]


@pytest.fixture(params=MODES)
def mode(request, monkeypatch):
    if request.param == "compiled" and not kernels.compiling:
        pytest.skip("nothing can be compiled here")
    monkeypatch.setattr(kernels, "compiling", request.param == "compiled")


def channels_last(*size, dtype=torch.float32):
    return torch.randn(size, dtype=dtype).to(memory_format=torch.channels_last)


def test_moments_of_mean_1000_and_deviation_one_tenth_are_right_to_one_in_a_thousand(mode):
    x = 1000 + 0.1 * channels_last(2, 16, 96, 96)
    mean, var = kernels.run(kernels.moments, x)
    exact_var, exact_mean = torch.var_mean(x.double(), (2, 3), correction=0)
    torch.testing.assert_close(mean, exact_mean.float(), rtol=1e-7, atol=0)
    torch.testing.assert_close(var.sqrt(), exact_var.sqrt().float(), rtol=1e-3, atol=0)


def test_an_odd_first_pixel_does_not_spoil_the_moments(mode):
    x = channels_last(2, 16, 96, 96)
    x[:, :, 0, 0] = -100
    mean, var = kernels.run(kernels.moments, x)
    exact_var, exact_mean = torch.var_mean(x.double(), (2, 3), correction=0)
    torch.testing.assert_close(mean, exact_mean.float(), rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(var, exact_var.float(), rtol=1e-3, atol=0)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_maps_are_summed_in_float32(mode, dtype):
    # In bfloat16 a sum of ones stops at 256, in float16 at 2048.
    ones = torch.ones(2, 16, 64, 64, dtype=dtype).to(memory_format=torch.channels_last)
    x = channels_last(2, 16, 64, 64, dtype=dtype)
    mean, var = kernels.run(kernels.moments, x)
    exact_var, exact_mean = torch.var_mean(x.double(), (2, 3), correction=0)
    torch.testing.assert_close(mean, exact_mean.float(), rtol=0, atol=1e-6)
    torch.testing.assert_close(var, exact_var.float(), rtol=1e-5, atol=0)
    zero = torch.zeros(2, 16)
    dscale, dshift = kernels.run(kernels.gradient_sums, ones, ones, zero, zero)
    assert dshift.dtype == torch.float32
    assert (dscale == 64 * 64).all()
    assert (dshift == 64 * 64).all()


def test_gradient_sums_do_not_depend_on_the_mean_they_are_taken_around(mode):
    dy, x = channels_last(3, 16, 8, 8), channels_last(3, 16, 8, 8)
    zero = torch.zeros(3, 16)
    around_zero = kernels.run(kernels.gradient_sums, dy, x, zero, zero)
    around_mean = kernels.run(kernels.gradient_sums, dy, x, x.mean((2, 3)), zero)
    torch.testing.assert_close(around_zero, around_mean, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(around_zero[0], (dy * x).sum((2, 3)), rtol=1e-4, atol=1e-4)


@pytest.mark.skipif(not kernels.compiling, reason="nothing can be compiled here")
def test_one_compilation_serves_every_batch_channel_count_and_photo_size():
    table = torch.ones(4, 16)
    kernels.run(kernels.moments, channels_last(4, 16, 8, 8))
    kernels.run(kernels.scale_shift, channels_last(4, 16, 8, 8), table, table)
    with torch.compiler.set_stance("fail_on_recompile"):
        for size in [(32, 32, 32, 32), (7, 5, 16, 96), (2, 64, 2, 3), (3, 16, 128, 128)]:
            x, table = channels_last(*size), torch.ones(size[:2])
            mean, _ = kernels.run(kernels.moments, x)
            torch.testing.assert_close(mean, x.mean((2, 3)), rtol=0, atol=1e-5)
            y = kernels.run(kernels.scale_shift, x, table, table)
            torch.testing.assert_close(y, x + 1)
            assert y.stride() == x.stride()
        for size in [(1, 16, 8, 8), (4, 16, 1, 1), (4, 1, 8, 8)]:  # served uncompiled
            kernels.run(kernels.moments, channels_last(*size))


@settings(deadline=None, max_examples=25)
@given(
    size=st.tuples(*[st.integers(1, 6)] * 4),
    mean=st.floats(-1e3, 1e3),
    deviation=st.floats(0.1, 10),
    seed=st.integers(0, 99),
)
def test_plain_moments_are_those_of_float64_for_any_size_mean_and_deviation(
    size, mean, deviation, seed
):
    x = mean + deviation * torch.randn(size, generator=torch.Generator().manual_seed(seed))
    got_mean, got_var = kernels.moments(x)
    exact_var, exact_mean = torch.var_mean(x.double(), (2, 3), correction=0)
    torch.testing.assert_close(got_mean.double(), exact_mean, rtol=1e-6, atol=1e-5)
    torch.testing.assert_close(got_var.double(), exact_var, rtol=1e-4, atol=1e-5)
    assert (got_var >= 0).all()


@pytest.mark.parametrize(
    "settings",
    [{"TORCH_COMPILE_DISABLE": "1"}, {"CXX": "/no/such/compiler"}, {"CXX": "false"}],
    ids=["switched off", "no compiler", "broken compiler"],
)
def test_without_a_working_compiler_the_layers_run_plain_and_say_nothing(settings, tmp_path):
    program = (
        "import torch; from trainer import kernels; from trainer.norms import BatchNorm\n"
        "x = torch.arange(512.0).reshape(2, 4, 8, 8).requires_grad_()\n"
        "y = BatchNorm(4)(x); y.sum().backward()\n"
        "torch.testing.assert_close(y, torch.nn.BatchNorm2d(4)(x))\n"
        "assert not kernels.compiling"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "TORCHINDUCTOR_CACHE_DIR": str(tmp_path), **settings},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
