"""Time and memory of a whole training step with each norm.

    python -m benchmarks.training.step

The 14-layer network, 128 px, batches of 32, as the trainer trains it; all norms in turns. The aim
is a speed, over that of torch's own batch norm, of at least what AIMS says, and no more memory
with `bn` than with `torch-bn`. Then, at 32 and 96 px, what a photo costs in a batch of 8 over one
in a batch of 64: at most 1.5 times as much.
"""

import statistics
from collections.abc import Callable
from functools import partial
from typing import Any, get_args

import torch

from benchmarks.timing import kernel_mode, kernel_modes, report, speed
from trainer.recipe import NormKey, Recipe
from trainer.state import new_run
from trainer.training import train_step
from trainer.utils.system import prepare
from trainer.utils.timing import interleaved

BATCH, SIZE, SPECIES = 32, 128, 25
SMALL_AIM = 1.5
AIMS = {"bn": 1.1, "in": 0.95, "bin": 0.85, "ln": 0.95, "gn": 0.95}


def make_step(norm: NormKey, size: int = SIZE, batch: int = BATCH) -> Callable[[], object]:
    """A training step of a network with this norm, on one repeated batch."""
    recipe = Recipe(norm=norm, image_size=size, batch_size=batch)
    photos = torch.randint(0, 256, (batch, size, size, 3), dtype=torch.uint8)
    labels = torch.randint(0, SPECIES, (batch,))
    return partial(train_step, new_run(recipe, SPECIES), recipe, photos, labels)


def peak_bytes(call: Callable[[], object]) -> int:
    """Most bytes of tensors that were alive at once in a call, beyond those alive before it."""
    with torch.profiler.profile(profile_memory=True) as profile:
        call()
    alive = peak = 0
    for event in profile.profiler.kineto_results.events():
        if event.name() == "[memory]":
            alive += event.nbytes()
            peak = max(peak, alive)
    return peak


def time_steps() -> list[dict[str, Any]]:
    """One row for each norm."""
    steps = {norm: make_step(norm) for norm in get_args(NormKey)}
    seconds = interleaved(steps, repeats=15)
    mebibytes = {norm: peak_bytes(step) / 2**20 for norm, step in steps.items()}
    rows = []
    speeds = {norm: speed(times, seconds["torch-bn"]) for norm, times in seconds.items()}
    for norm, times in seconds.items():
        time = statistics.median(times)
        fastest = speeds["nn"] == max(speeds.values())
        holds = fastest if norm == "nn" else speeds[norm] >= AIMS.get(norm, 1.0)
        if norm == "bn":
            holds = holds and mebibytes["bn"] <= mebibytes["torch-bn"]
        rows.append(
            {
                "norm": norm,
                "ms": time * 1e3,
                "photos/s": BATCH / time,
                "speed": speeds[norm],
                "aim": AIMS.get(norm),
                "peak MiB": mebibytes[norm],
                "holds": holds,
            }
        )
    return rows


def time_small_batches() -> list[dict[str, Any]]:
    """One row for each of two norms and sizes: a photo's share of a step, in two batches."""
    rows: list[dict[str, Any]] = []
    for size in (32, 96):
        norms: tuple[NormKey, ...] = ("bn", "torch-bn")
        steps = {(norm, batch): make_step(norm, size, batch) for norm in norms for batch in (8, 64)}
        seconds = interleaved(
            {f"{norm} {batch}": s for (norm, batch), s in steps.items()}, repeats=15
        )
        for norm in norms:
            small, large = (
                [time / batch for time in seconds[f"{norm} {batch}"]] for batch in (8, 64)
            )
            times = speed(large, small)
            rows.append(
                {
                    "norm": norm,
                    "pixels": size,
                    "batch of 8, ms a photo": statistics.median(small) * 1e3,
                    "batch of 64, ms a photo": statistics.median(large) * 1e3,
                    "times": times,
                    "aim": SMALL_AIM,
                    "holds": times <= SMALL_AIM,
                }
            )
    return rows


def main() -> None:
    """Time and weigh the step with every norm in both ways to run the kernels."""
    prepare()
    rows = []
    for mode in kernel_modes():
        with kernel_mode(mode):
            rows += [{"kernels": mode} | row for row in time_steps()]
    title = (
        f"A training step of the 14-layer network, {SIZE} px, batch {BATCH}; speed over torch-bn"
    )
    report("step", title, rows)
    title = "A photo's share of a training step in a small batch, over that in a large one"
    report("small_batches", title, time_small_batches())


if __name__ == "__main__":
    main()
