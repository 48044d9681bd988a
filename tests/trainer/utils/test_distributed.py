"""Several processes compute what one does; where one is killed, all end, to be resumed."""

import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.distributed as dist

from trainer import __main__ as command
from trainer import training
from trainer.checkpoint import write
from trainer.data.photo_folder import PhotoFolder
from trainer.model import kernels
from trainer.recipe import Recipe
from trainer.run import train_run
from trainer.run_folder import EARLIER_STATE, STATE, TrainingError
from trainer.state import new_run, open_run, read_state
from trainer.utils import distributed
from trainer.utils.distributed import ProcessError, Rank

# Of 72 photos: batches of 15, the first process takes 7 of each, and a last one of 12
TINY = Recipe(
    n=1,
    image_size=32,
    stored_size=40,
    batch_size=15,
    epochs=2,
    precision="float32",
)
# Training multiplies rounding: at a learning rate of .01, weights that differ by 1e-7 at the start
# lead to losses that differ by up to 8e-4 after these ten steps, in one process too.
LEARNING_RATE = {"float32": 0.0003, "float64": 0.01}
TOLERANCE = {"float32": 1e-4, "float64": 1e-6}  # the loss itself is computed in float32
CASES = [
    (norm, mode, digits)
    for norm in ("bn", "bin", "gn")
    for mode in ("compiled", "plain")
    for digits in ("float32", "float64")
]
ENOUGH = 300  # seconds, after which whatever has not ended is ended


def train_case(norm, mode, digits, photos, folder):
    """Train a tiny network; returns its losses and weights."""
    to_input = training.to_input
    recipe = replace(TINY, norm=norm, learning_rate=LEARNING_RATE[digits])
    run = new_run(recipe, 3)
    kernels.enabled = mode == "compiled"
    if digits == "float64":
        run.network.double()
        training.to_input = lambda photos: to_input(photos).double()
    training.train(run, recipe, photos, folder)
    training.to_input, kernels.enabled = to_input, True
    return [row["loss"] for row in run.history], run.network.state_dict()


def lone_photo(photos):
    """Loss and weights after a step on one photo, and an answer; half the processes have none."""
    recipe = replace(TINY, norm="bin")
    run, own = new_run(recipe, 3), distributed.rank().shard(1)
    batch = torch.from_numpy(photos.pixels[:1][own].copy())
    loss, _ = training.train_step(run, recipe, batch, torch.from_numpy(photos.labels[:1]))
    answer = training.predict(run.network, photos.pixels[:1], recipe)
    return loss, answer, run.network.state_dict()


def goes_on(recipe, photos, folder):
    """The epoch that a state is of, and the weights it leads to."""
    run = open_run(recipe, 3, folder)
    epoch = run.epoch
    training.train(run, recipe, photos, folder)
    return epoch, run.network.state_dict()


def refusal(recipe, folder):
    """What `train_run` says against it."""
    with pytest.raises(TrainingError) as refused:
        train_run(recipe, folder, PhotoFolder(Path(recipe.data)))
    return str(refused.value)


def take_part(rank, home, photos, recipe):
    """What one of two processes finds."""
    torch.set_num_threads(1)  # as in conftest.py
    os.environ["GLOO_SOCKET_IFNAME"] = "lo"
    store = dist.FileStore(str(home / "store"), 2)
    dist.init_process_group(
        "gloo", store=store, rank=rank, world_size=2, timeout=timedelta(seconds=ENOUGH)
    )

    found = {case: train_case(*case, photos, home / "-".join(case)) for case in CASES}
    found["lone photo"] = lone_photo(photos["val"])
    found["agree"] = [
        distributed.all_equal(3, device="cpu"),
        distributed.all_equal(3, rank, device="cpu"),
    ]
    resumed, alone = home / "-".join(CASES[0]), home / f"of-{rank}"
    if rank == 0:
        shutil.copy(resumed / EARLIER_STATE, resumed / STATE)
        alone.mkdir()
        shutil.copy(resumed / STATE, alone)
    dist.barrier()
    recipe = replace(recipe, norm=CASES[0][0], learning_rate=LEARNING_RATE[CASES[0][2]])
    found["resumed"] = goes_on(recipe, photos, resumed)
    found["alone"] = refusal(recipe, alone)
    found["torch-bn"] = refusal(replace(recipe, norm="torch-bn"), home / "torch-bn")

    written = []
    write.write_checkpoint = lambda *_: written.append(rank)
    command.run(command.Command(replace(recipe, norm="nn")))
    return found | {"written": written, "afterwards": distributed.rank()}


@pytest.fixture(scope="module")
def photos(drawn_photos, tmp_path_factory):
    source, cache = PhotoFolder(drawn_photos), tmp_path_factory.mktemp("cache")
    return {"train": source.load("train", 40, cache), "val": source.load("val", 32, cache)}


@pytest.fixture(scope="module")
def pair(drawn_photos, photos, tmp_path_factory):
    """What two processes find that train together."""
    if os.name == "nt":
        pytest.skip("Windows has no fork server")
    home = tmp_path_factory.mktemp("pair")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["trainer.training"])  # torch is imported once for all
    recipe = replace(TINY, data=str(drawn_photos), output=str(home))
    with ProcessPoolExecutor(2, context) as pool:
        parts = [pool.submit(take_part, rank, home, photos, recipe) for rank in (0, 1)]
        return [part.result(ENOUGH) for part in parts]


@pytest.mark.parametrize("case", CASES, ids="-".join)
@pytest.mark.slow
def test_two_processes_train_as_one_does(case, pair, photos, tmp_path):
    if case[1] == "compiled" and kernels.library() is None:
        pytest.skip("nothing can be compiled here")
    tolerance = TOLERANCE[case[2]]
    losses, weights = train_case(*case, photos, tmp_path)
    for part in pair:
        assert part[case][0] == pytest.approx(losses, rel=0, abs=tolerance)
        # running variances are large numbers, and differ by as much of their size
        torch.testing.assert_close(part[case][1], weights, rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(pair[0][case][1], pair[1][case][1], rtol=0, atol=0)


@pytest.mark.slow
def test_a_process_without_a_photo_takes_part(pair, photos):
    expected = lone_photo(photos["val"])
    for part in pair:
        torch.testing.assert_close(part["lone photo"], expected)


@pytest.mark.slow
def test_two_processes_go_on_from_one_state_to_the_same_bits(pair):
    for part in pair:
        epoch, weights = part["resumed"]
        assert epoch == TINY.epochs - 1
        torch.testing.assert_close(weights, part[CASES[0]][1], rtol=0, atol=0)


@pytest.mark.slow
def test_processes_that_see_other_states_refuse_to_train(pair):
    assert [part["agree"] for part in pair] == [[True, False]] * 2
    for part in pair:
        assert "--output must name folders that all machines share" in part["alone"]


@pytest.mark.slow
def test_torchs_own_batch_norm_which_would_not_be_synchronised_is_refused(pair):
    assert all("--norm bn computes the same over those of all" in part["torch-bn"] for part in pair)


@pytest.mark.slow
def test_the_first_process_alone_writes_and_is_alone_then(pair):
    assert [part["written"] for part in pair] == [[0], []]
    assert [part["afterwards"] for part in pair] == [Rank(0, 1)] * 2


@pytest.mark.parametrize("size", [1, 2, 3, 8])
@pytest.mark.parametrize("total", [0, 1, 5, 64])
def test_shards_cover_everything_once_and_differ_by_one_at_most(size, total):
    shards = [range(total)[Rank(rank, size).shard(total)] for rank in range(size)]
    assert [i for shard in shards for i in shard] == list(range(total))
    assert max(map(len, shards)) - min(map(len, shards)) <= 1


@pytest.mark.parametrize(
    ("device", "words"), [("mps", "--device cpu or cuda, not mps"), ("cuda", "finds 0 GPUs")]
)
def test_a_device_on_which_processes_cannot_train_together_is_refused(device, words, monkeypatch):
    monkeypatch.setattr(dist, "is_torchelastic_launched", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    monkeypatch.setenv("LOCAL_RANK", "0")
    with pytest.raises(ProcessError, match=words):
        distributed.init(device)


def test_without_torchrun_nobody_is_waited_for(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")  # as some cluster may set it
    distributed.init("cpu")
    assert distributed.rank() == Rank(0, 1)


def workers(launcher):
    """Process ids of what torchrun started, by rank."""
    children = Path(f"/proc/{launcher}/task/{launcher}/children").read_text().split()
    found = {}
    for child in map(int, children):
        named = dict(
            pair.split("=", 1)
            for pair in Path(f"/proc/{child}/environ").read_text().split("\0")
            if "=" in pair
        )
        found[int(named.get("RANK", -1))] = child
    return found


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="processes are looked up in /proc")
@pytest.mark.slow
def test_where_a_process_is_killed_all_end_with_a_sentence_and_the_state_goes_on(
    drawn_photos, photos, tmp_path, monkeypatch
):
    recipe = replace(TINY, data=str(drawn_photos), output=str(tmp_path), epochs=10_000)
    folder, log = tmp_path / recipe.norm, tmp_path / "log"
    one_epoch(recipe, photos, folder, monkeypatch)  # by one process, to continue with two

    flags = [
        f"--{name.replace('_', '-')}={getattr(recipe, name)}"
        for name in ("data", "output", "n", "image_size", "stored_size", "batch_size", "epochs")
    ]
    command = "-m torch.distributed.run --nproc-per-node=2 --rdzv-backend=c10d"
    command += " --rdzv-endpoint=localhost:0 --local-addr=127.0.0.1 -m -- trainer --resume"
    environment = {
        "PYTHONPATH": str(Path(__file__).parents[3]),
        "GLOO_SOCKET_IFNAME": "lo",
        "OMP_NUM_THREADS": "1",
        "CXX": "false",
    }
    with log.open("w") as output:
        launcher = subprocess.Popen(
            [sys.executable, *command.split(), "--precision=float32", *flags],
            env=os.environ | environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    started, end = {}, time.monotonic() + ENOUGH
    try:
        while epochs_done(folder) < 3:
            assert launcher.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)
        started = workers(launcher.pid)
        os.kill(started[1], signal.SIGKILL)
        assert launcher.wait(ENOUGH) != 0
    finally:
        for left in (launcher.pid, *started.values()):
            with suppress(ProcessLookupError):
                os.kill(left, signal.SIGKILL)
        launcher.wait()
    assert "--resume continues from the last finished epoch" in log.read_text()
    assert not [pid for pid in started.values() if Path(f"/proc/{pid}").exists()]
    before = epochs_done(folder)
    one_epoch(recipe, photos, folder, monkeypatch)
    history = pd.read_csv(folder / "history.csv")
    assert history.epoch.tolist() == [n for n in range(1, before + 2) for _ in ("train", "val")]


def epochs_done(folder):
    """How many epochs the state in a folder has finished."""
    return read_state(folder, "cpu")["epoch"]


def one_epoch(recipe, photos, folder, monkeypatch):
    """Train the run in a folder for one epoch more."""
    epochs = iter([training.train_epoch])
    with monkeypatch.context() as patch, pytest.raises(StopIteration):
        patch.setattr(training, "train_epoch", lambda *args: next(epochs)(*args))
        patch.setattr(kernels, "enabled", False)  # compiling takes longer than all else
        training.train(open_run(recipe, 3, folder), recipe, photos, folder)
