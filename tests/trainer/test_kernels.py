import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer import kernels

HALF = [torch.bfloat16, torch.float16]


@pytest.fixture(params=["compiled", "plain"])
def mode(request, monkeypatch):
    if request.param == "compiled" and kernels.library() is None:
        pytest.skip("nothing can be compiled here")
    monkeypatch.setattr(kernels, "enabled", request.param == "compiled")


needs_compiler = pytest.mark.skipif(
    kernels.library() is None, reason="nothing can be compiled here"
)


def photos(*size, dtype=torch.float32):
    return torch.randn(size).to(dtype).to(memory_format=torch.channels_last)


def exact_moments(x):
    var, mean = torch.var_mean(x.double(), (2, 3), correction=0)
    return mean, var


def test_moments_of_mean_1000_and_deviation_one_tenth_are_right_to_one_in_a_thousand(mode):
    x = 1000 + 0.1 * photos(2, 16, 96, 96)
    mean, var = kernels.moments(x)
    exact_mean, exact_var = exact_moments(x)
    torch.testing.assert_close(mean, exact_mean.float(), rtol=1e-7, atol=0)
    torch.testing.assert_close(var.sqrt().double(), exact_var.sqrt(), rtol=1e-3, atol=0)


def test_an_odd_first_pixel_does_not_spoil_the_moments(mode):
    x = photos(2, 16, 96, 96)
    x[:, :, 0, 0] = -100
    mean, var = kernels.moments(x)
    exact_mean, exact_var = exact_moments(x)
    torch.testing.assert_close(mean.double(), exact_mean, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(var.double(), exact_var, rtol=1e-3, atol=0)


@pytest.mark.parametrize("dtype", HALF, ids=str)
def test_half_precision_maps_are_summed_in_float32(mode, dtype):
    # In bfloat16 a sum of ones stops at 256, in float16 at 2048.
    ones = torch.ones(2, 16, 64, 64, dtype=dtype).to(memory_format=torch.channels_last)
    zero = torch.zeros(2, 16)
    sum_dy, sum_dy_x = kernels.gradient_sums(ones, ones, zero)
    assert sum_dy.dtype == sum_dy_x.dtype == torch.float32
    assert (sum_dy == 64 * 64).all()
    assert (sum_dy_x == 64 * 64).all()
    x = photos(2, 16, 64, 64, dtype=dtype)
    mean, var = kernels.moments(x)
    exact_mean, exact_var = exact_moments(x)
    torch.testing.assert_close(mean.double(), exact_mean, rtol=0, atol=1e-6)
    torch.testing.assert_close(var.double(), exact_var, rtol=1e-5, atol=0)


def test_gradient_sums_do_not_depend_on_the_mean_they_are_taken_around(mode):
    dy, x = photos(3, 16, 8, 8), photos(3, 16, 8, 8)
    mean = x.mean((2, 3))
    sum_dy, around_zero = kernels.gradient_sums(dy, x, torch.zeros(3, 16))
    same_sum, around_mean = kernels.gradient_sums(dy, x, mean)
    torch.testing.assert_close(sum_dy, same_sum)
    torch.testing.assert_close(around_zero, around_mean + mean * sum_dy, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(around_zero, (dy * x).sum((2, 3)), rtol=1e-4, atol=1e-4)


@needs_compiler
@settings(deadline=None, max_examples=60)
@given(
    size=st.tuples(
        st.integers(1, 3),
        st.sampled_from([1, 3, 16, 17, 32, 48, 64, 115]),
        st.integers(1, 30),
        st.integers(1, 30),
    ),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16]),
    mean=st.floats(-100, 100),
    seed=st.integers(0, 99),
)
def test_compiled_kernels_compute_what_plain_torch_does(size, dtype, mean, seed):
    torch.manual_seed(seed)
    x, dy = (mean + photos(*size)).to(dtype), photos(*size, dtype=dtype)
    a, b, c = torch.randn(3, *size[:2], dtype=kernels.table_dtype(x))
    calls = [
        (kernels.moments, x),
        (kernels.scale_shift, x, a, b),
        (kernels.gradient_sums, dy, x, mean + a),
        (kernels.combine, dy, x, a, b, c),
    ]
    assert kernels.native(x)
    compiled = [kernel(*args) for kernel, *args in calls]
    kernels.enabled = False
    try:
        plain = [kernel(*args) for kernel, *args in calls]
    finally:
        kernels.enabled = True
    tolerance = 1e-2 if dtype == torch.bfloat16 else 1e-3
    torch.testing.assert_close(compiled, plain, rtol=tolerance, atol=tolerance)


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_infinity_and_not_a_number_pass_through(dtype):
    x = photos(1, 3, 2, 1, dtype=dtype)
    x[0, :, 0, 0] = torch.tensor([float("inf"), float("-inf"), float("nan")])
    y = kernels.scale_shift(x, torch.ones(1, 3), torch.zeros(1, 3))
    torch.testing.assert_close(y, x, equal_nan=True)


@needs_compiler
def test_results_do_not_depend_on_the_number_of_threads():
    x = photos(5, 16, 40, 40)
    threads = torch.get_num_threads()
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(kernels.moments(x))
    torch.set_num_threads(threads)
    assert torch.equal(*results)


def test_an_empty_batch_gives_empty_tables(mode):
    mean, var = kernels.moments(photos(0, 16, 4, 4))
    assert mean.shape == var.shape == (0, 16)


@pytest.mark.parametrize("compiler", ["/no/such/compiler", "false"])
def test_without_a_working_compiler_the_layers_run_plain_and_say_nothing(compiler):
    program = (
        "import torch; from trainer import kernels; from trainer.norms import BatchNorm\n"
        "x = torch.randn(2, 4, 8, 8).to(memory_format=torch.channels_last).requires_grad_()\n"
        "y = BatchNorm(4)(x); y.sum().backward()\n"
        "torch.testing.assert_close(y, torch.nn.BatchNorm2d(4)(x))\n"
        "assert kernels.library() is None"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "CXX": compiler},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
