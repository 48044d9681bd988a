"""Speed of several processes against as many threads, and the cost of their exchange.

    python -m benchmarks.training.processes

A training step of the 14-layer network at the best recipe's size, as one process with two threads
takes it and as two processes with one thread each, started by torchrun on this machine. `bn` and
`bin` exchange their statistics and the gradients, `in` the gradients alone.
"""

import json
import statistics
import subprocess
import sys
import time
from typing import Any

import torch

from benchmarks.timing import report, speed
from trainer.recipe import NormKey, Recipe
from trainer.state import new_run
from trainer.training import train_step
from trainer.utils import distributed
from trainer.utils.system import prepare

NORMS: tuple[NormKey, ...] = ("bn", "bin", "in")
CORES, SPECIES = 2, 25
REPEATS, STEPS = 5, 20


def step_seconds(norm: NormKey) -> float:
    """Seconds of a step on one repeated batch, the median, in this process and its like."""
    recipe = Recipe(norm=norm)
    size, count = recipe.image_size, recipe.batch_size
    torch.manual_seed(0)
    photos = torch.randint(0, 256, (count, size, size, 3), dtype=torch.uint8)
    labels = torch.randint(0, SPECIES, (count,))
    run, own = new_run(recipe, SPECIES), photos[distributed.rank().shard(count)]
    seconds = []
    for _ in range(2 + STEPS):
        start = time.perf_counter()
        train_step(run, recipe, own, labels)
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[2:])


def take_part() -> None:
    """Print the seconds of a step with each norm: what torchrun starts, in every process."""
    distributed.init("cpu")
    torch.set_num_threads(CORES // distributed.rank().world_size)
    prepare()
    seconds = {norm: step_seconds(norm) for norm in NORMS}
    if distributed.rank().index == 0:
        print(json.dumps(seconds))
    distributed.destroy()


def started(count: int) -> dict[str, float]:
    """Seconds of a step with each norm, shared out over `count` processes."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={count}", "-m", "benchmarks.training.processes", "part"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout)


def main() -> None:
    """Time both in turns and write them to benchmarks/results/processes.json."""
    turns = [(started(1), started(CORES)) for _ in range(REPEATS)]
    photos = Recipe().batch_size
    rows: list[dict[str, Any]] = []
    for norm in NORMS:
        one, several = ([turn[i][norm] for turn in turns] for i in (0, 1))
        rows.append(
            {
                "norm": norm,
                "one process, photos/s": photos / statistics.median(one),
                "two processes, photos/s": photos / statistics.median(several),
                "speed": speed(several, one),
            }
        )
    title = (
        f"A training step, {Recipe().image_size} px, batch {photos}: two processes of one thread "
        "over one of two"
    )
    report("processes", title, rows)


if __name__ == "__main__":
    take_part() if sys.argv[1:] else main()
