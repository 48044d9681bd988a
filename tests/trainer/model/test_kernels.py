import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.model import kernels
from trainer.model.normalize import EPS, NormSpec, PoolAxes, plain, plain_backward

needs_compiler = pytest.mark.skipif(
    kernels.library() is None, reason="nothing can be compiled here"
)


def photos(*size, dtype=torch.float32):
    return torch.randn(size).to(dtype).to(memory_format=torch.channels_last)


def compiled_forward_backward(x, dy, spec, exchange=None, residual=None, relu=False):
    averages, scale, shift, weights = spec.averages, spec.scale, spec.shift, spec.weights
    y, moments = kernels.forward(x, averages, scale, shift, weights, EPS, exchange, residual, relu)
    clipped, added = y if relu else None, residual is not None
    gradients = kernels.backward(
        dy, x, averages, scale, weights, moments, EPS, exchange, clipped, added
    )
    return y, moments, *gradients


def flat(y, dx, dresidual, dscale, dshift, dweights):
    return [t for t in (y, dx, dresidual, dscale, dshift, *dweights) if t is not None]


def plain_forward_backward(x, dy, spec, exchange=None, residual=None, relu=False, clipped=None):
    """clipped: which y tells what the ReLU has clipped, the one found here if None."""
    y, moments = plain(x, spec, exchange, residual, relu)
    if relu and clipped is None:
        clipped = y
    gradients = plain_backward(
        dy,
        x,
        spec.averages,
        spec.scale,
        spec.weights,
        moments,
        exchange,
        clipped,
        residual is not None,
    )
    return y, moments, *gradients


@needs_compiler
@settings(deadline=None, max_examples=100)
@given(
    size=st.tuples(
        st.integers(1, 3),
        st.sampled_from([1, 3, 16, 17, 32, 48, 64, 115]),
        st.integers(1, 30),
        st.integers(1, 30),
    ),
    dtype=st.sampled_from([torch.float64, torch.float32, torch.bfloat16]),
    mean=st.floats(-100, 100),
    averages=st.lists(st.tuples(st.booleans(), st.sampled_from([1, 2, 4, 99])), max_size=3),
    scaled=st.booleans(),
    followed_by=st.sampled_from(["nothing", "relu", "residual and relu"]),
    seed=st.integers(0, 99),
)
def test_compiled_kernels_compute_what_plain_torch_does(
    size, dtype, mean, averages, scaled, followed_by, seed
):
    torch.manual_seed(seed)
    channels = size[1]
    x, dy = (mean + photos(*size)).to(dtype), photos(*size, dtype=dtype)
    scale, shift, *weights = torch.randn(2 + len(averages), channels, dtype=kernels.table_dtype(x))
    sets = [PoolAxes(every, n if channels % n == 0 else channels) for every, n in averages]
    spec = NormSpec(scale if scaled or not sets else None, shift, tuple(sets), tuple(weights))
    assert kernels.native(x)
    residual, relu = photos(*size, dtype=dtype), followed_by != "nothing"
    then = {"residual": residual if "residual" in followed_by else None, "relu": relu}
    y, moments, *gradients = compiled_forward_backward(x, dy, spec, **then)
    plain_y, plain_moments, *plain_gradients = plain_forward_backward(
        # Where y is zero up to rounding, the two may clip another pixel.
        x,
        dy,
        spec,
        **then,
        clipped=y if relu else None,
    )
    assert not relu or y.min() >= 0
    tolerance = {torch.float64: 1e-9, torch.float32: 1e-3, torch.bfloat16: 1e-2}[dtype]
    torch.testing.assert_close(moments, plain_moments, rtol=tolerance, atol=tolerance)
    got, expected = flat(y, *gradients), flat(plain_y, *plain_gradients)
    assert len(got) == len(expected)
    for mine, theirs in zip(got, expected, strict=True):
        # Neither way has more digits than the terms that cancel, which grow with the mean.
        largest = theirs.abs().max().item()
        bound = tolerance * (1 + largest) * (1 + abs(mean) / 10)
        torch.testing.assert_close(mine, theirs, rtol=tolerance, atol=bound)


@needs_compiler
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_infinity_and_not_a_number_pass_through(dtype):
    x = photos(1, 3, 2, 1, dtype=dtype)
    x[0, :, 0, 0] = torch.tensor([float("inf"), float("-inf"), float("nan")])
    y, _, dx, *_ = compiled_forward_backward(x, x, NormSpec(torch.ones(3), torch.zeros(3)))
    torch.testing.assert_close(y, x, equal_nan=True)
    torch.testing.assert_close(dx, x, equal_nan=True)
    y, _, dx, *_ = compiled_forward_backward(
        x, x, NormSpec(torch.ones(3), torch.zeros(3)), residual=torch.zeros_like(x), relu=True
    )
    torch.testing.assert_close(y, x.relu(), equal_nan=True)
    torch.testing.assert_close(dx, x.relu(), equal_nan=True)
    for average in PoolAxes(), PoolAxes(all_photos=True), PoolAxes(channels=3):
        ones = torch.ones(3)
        y, *_ = compiled_forward_backward(x, x, NormSpec(None, ones, (average,), (ones,)))
        assert not y.isfinite().any()


@needs_compiler
@pytest.mark.parametrize("all_photos", [False, True])
@pytest.mark.parametrize("relu", [False, True])
def test_results_do_not_depend_on_the_number_of_threads(all_photos, relu):
    x, dy, residual = (photos(5, 16, 40, 40) for _ in range(3))
    then = {"residual": residual, "relu": True} if relu else {}
    scale, shift, *weights = torch.randn(4, 16)
    averages = (PoolAxes(all_photos, channels=4), PoolAxes())
    threads = torch.get_num_threads()
    results = []
    for count in (1, 2):
        torch.set_num_threads(count)
        results.append(
            compiled_forward_backward(
                x, dy, NormSpec(scale, shift, averages, tuple(weights)), **then
            )
        )
    torch.set_num_threads(threads)
    torch.testing.assert_close(*results, rtol=0, atol=0)


@needs_compiler
def test_what_is_averaged_over_all_photos_and_nothing_else_is_exchanged():
    x, dy = photos(5, 16, 4, 4), photos(5, 16, 4, 4)
    shift, *weights = torch.randn(4, 16)
    averages = (PoolAxes(), PoolAxes(all_photos=True), PoolAxes(True, channels=4))
    spec = NormSpec(None, shift, averages, tuple(weights))
    seen = []

    def exchange(table):
        seen.append(table.clone())
        return table + torch.arange(32).view(2, 1, 16)

    got = [flat(y, *rest) for y, _, *rest in (compiled_forward_backward(x, dy, spec, exchange),)]
    expected = [flat(y, *rest) for y, _, *rest in (plain_forward_backward(x, dy, spec, exchange),)]
    assert len(seen) == 2 * 4
    torch.testing.assert_close(seen[:4], seen[4:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)


@needs_compiler
@pytest.mark.parametrize("error", [ValueError("lost"), KeyboardInterrupt()], ids=repr)
def test_an_exchange_that_fails_fails_the_kernel(error):
    def exchange(_):
        raise error

    ones = torch.ones(16)
    spec = NormSpec(None, ones, (PoolAxes(all_photos=True),), (ones,))
    with pytest.raises(type(error)) as raised:
        compiled_forward_backward(photos(5, 16, 4, 4), photos(5, 16, 4, 4), spec, exchange)
    assert raised.value is error


# Python's compiled files go elsewhere once torch is imported, whose own would take long to make.
RUN_A_LAYER = (
    "import os, sys, torch\n"
    "from trainer.model import kernels; from trainer.model.norms import BatchNorm\n"
    "sys.pycache_prefix = os.environ.get('KEPT')\n"
    "x = torch.randn(2, 4, 8, 8).to(memory_format=torch.channels_last).requires_grad_()\n"
    "for _ in range(2): y = BatchNorm(4)(x); y.sum().backward()\n"
    "torch.testing.assert_close(y, torch.nn.BatchNorm2d(4)(x))\n"
    "print(kernels.library()._name if kernels.library() else None)"
)


def started(program, **environment):
    """A Python process under way."""
    return subprocess.Popen(
        [sys.executable, "-c", program],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture
def counted(tmp_path):
    """The notes of a compiler about what it has written, and the variables that choose it.

    It leaves the code as slow as it is, which takes a fifth of the time.
    """
    notes, compiler = tmp_path / "notes", tmp_path / "compiler"
    compiler.write_text(
        "#!/bin/sh\n"
        f'case "$*" in *" -o "*) echo "$*" >>{notes};; esac\n'
        f'exec {os.environ.get("CXX", "g++")} "$@" -O0\n'
    )
    compiler.chmod(0o755)
    return notes, {"CXX": str(compiler), "KEPT": str(tmp_path / "kept")}


@pytest.mark.parametrize("compiler", ["/no/such/compiler", "false"])
@pytest.mark.slow
def test_without_a_working_compiler_the_layers_run_plain_and_say_so_once(compiler):
    process = started(RUN_A_LAYER, CXX=compiler)
    printed, told = process.communicate()
    assert (process.returncode, printed) == (0, "None\n")
    assert told.startswith("The norms run uncompiled, and a training step takes")
    assert compiler in told
    assert len(told.splitlines()) == 1


@needs_compiler
@pytest.mark.slow
def test_processes_that_start_at_once_and_later_ones_share_one_compilation(counted, tmp_path):
    notes, environment = counted
    together = [started(RUN_A_LAYER, **environment) for _ in range(2)]
    found = [process.communicate() for process in together]
    found.append(started(RUN_A_LAYER, **environment).communicate())
    assert len(notes.read_text().splitlines()) == 1
    ((path, told),) = set(found)
    assert told == ""
    library = Path(path.strip())
    assert library.is_relative_to(tmp_path / "kept")
    assert not list(library.parent.glob("*.part"))


@needs_compiler
@pytest.mark.slow
def test_where_pythons_folder_cannot_be_written_the_library_is_kept_for_this_user_alone(
    counted, tmp_path
):
    notes, environment = counted
    (tmp_path / "kept").write_text("no folder")
    (tmp_path / "temporary").mkdir()
    environment["TMPDIR"] = str(tmp_path / "temporary")
    for _ in range(2):
        path, told = started(RUN_A_LAYER, **environment).communicate()
        assert told == ""
    assert len(notes.read_text().splitlines()) == 1
    folder = Path(path.strip()).parent
    assert folder.parent == tmp_path / "temporary"
    assert folder.stat().st_mode & 0o777 == 0o700


@needs_compiler
def test_a_folder_that_others_may_write_is_not_trusted(tmp_path, monkeypatch):
    monkeypatch.setattr(kernels.tempfile, "gettempdir", lambda: str(tmp_path))
    folder = kernels._of_this_user()
    folder.chmod(0o777)
    with pytest.raises(PermissionError, match="by others"):
        kernels._of_this_user()
    folder.rmdir()
    (tmp_path / "elsewhere").mkdir()
    folder.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError, match="somebody else"):
        kernels._of_this_user()


@needs_compiler
def test_another_source_flag_compiler_or_processor_is_another_library(tmp_path, monkeypatch):
    compiler = os.environ.get("CXX", "g++").split()
    keys = [kernels._key(compiler), kernels._key(compiler)]
    assert keys[0] == keys[1]
    keys.append(kernels._key([*compiler, "-DNDEBUG"]))
    monkeypatch.setattr(kernels, "FLAGS", (*kernels.FLAGS, "-O1"))
    keys.append(kernels._key(compiler))
    monkeypatch.setattr(kernels, "processor", lambda: "another")
    keys.append(kernels._key(compiler))
    source = tmp_path / "kernels.cpp"
    source.write_text(kernels.SOURCE.read_text() + "\n")
    monkeypatch.setattr(kernels, "SOURCE", source)
    keys.append(kernels._key(compiler))
    assert len(set(keys)) == 5
