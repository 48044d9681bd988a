"""What the benchmarks share: timings taken in turns, the machine's name, tables and JSON."""

import json
import os
import platform
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from trainer import kernels

RESULTS = Path(__file__).parent / "results"


def alternate(
    sides: Mapping[str, Callable[[], object]], repeats: int, calls: int = 1
) -> dict[str, list[float]]:
    """Seconds of a call of each side, timed in turns so that all share the machine's moods.

    Args:
        sides: what is compared; each is called twice before the clock starts.
        repeats: turns of each side.
        calls: calls in each turn.
    """
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for call in sides.values():
        call()
        call()
    turns = random.Random(0)
    for _ in range(repeats):
        for name in turns.sample(list(sides), len(sides)):  # who is first has the coldest caches
            call = sides[name]
            start = time.perf_counter()
            for _ in range(calls):
                call()
            seconds[name].append((time.perf_counter() - start) / calls)
    return seconds


def speed(ours: Sequence[float], rival: Sequence[float]) -> float:
    """How many times as fast as the rival: the median over turns, each compared within itself."""
    return statistics.median(theirs / mine for mine, theirs in zip(ours, rival, strict=True))


def kernel_modes() -> tuple[str, ...]:
    """How the norms' kernels can run here: compiled, where that is possible, and plain."""
    return ("compiled", "plain") if kernels.library() else ("plain",)


@contextmanager
def running(mode: str) -> Iterator[None]:
    """Run the norms' kernels in one of `kernel_modes` inside the block."""
    before, kernels.enabled = kernels.enabled, mode == "compiled"
    try:
        yield
    finally:
        kernels.enabled = before


def machine() -> dict[str, Any]:
    """Processor, cores, threads and versions that the numbers belong to."""
    processor = platform.processor()
    info = Path("/proc/cpuinfo")
    if info.exists():
        lines = info.read_text().splitlines()
        processor = next((x.split(": ")[1] for x in lines if x.startswith("model name")), processor)
    return {
        "processor": processor,
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "bfloat16": torch.cpu._is_avx512_bf16_supported(),
        "torch": torch.__version__,
        "python": platform.python_version(),
        "compiler": "used" if kernels.library() else "none that works",
    }


def report(name: str, title: str, rows: list[dict[str, Any]], **more: Any) -> None:
    """Print the rows as a table under the title and write everything to results/<name>.json."""
    where = machine()
    print(f"\n{title}\n{', '.join(f'{key} {value}' for key, value in where.items())}\n")
    print(pd.DataFrame(rows).to_string(index=False, float_format="{:.2f}".format))
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps({"title": title, "machine": where, "rows": rows, **more}, indent=1))
    print(
        f"\nwritten to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}"
    )
