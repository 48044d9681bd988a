"""Shared parts of the benchmarks: ratios, the machine's name, tables and JSON."""

import json
import os
import platform
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from trainer.model import kernels
from trainer.utils.system import processor

RESULTS = Path(__file__).parent / "results"


def speed(ours: Sequence[float], rival: Sequence[float]) -> float:
    """The speed-up over the rival: the median over turns, each compared within itself."""
    return statistics.median(theirs / mine for mine, theirs in zip(ours, rival, strict=True))


def kernel_modes() -> tuple[str, ...]:
    """The modes of the norms' kernels here: compiled, where that is possible, and plain."""
    return ("compiled", "plain") if kernels.library() else ("plain",)


@contextmanager
def kernel_mode(mode: str) -> Iterator[None]:
    """Run the norms' kernels in one of `kernel_modes` inside the block."""
    before, kernels.enabled = kernels.enabled, mode == "compiled"
    try:
        yield
    finally:
        kernels.enabled = before


def machine() -> dict[str, Any]:
    """Processor, cores, threads and versions that the numbers belong to."""
    return {
        "processor": processor(),
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
    measured = {"title": title, "machine": where, "rows": rows, **more}
    path.write_text(json.dumps(measured, indent=1), encoding="utf-8")
    print(
        f"\nwritten to {path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path}"
    )
