"""Extrapolation of the benchmarks to more visitors, photos and processors: docs/scale.md."""

import json
import math
from pathlib import Path
from typing import Any

import pandas as pd

from trainer.recipe import Recipe

VISITORS = 1_000
PHOTOS = 10_000_000
GPUS = 8
STORED = Recipe().stored_size
BUSY = 0.6  # of a core's time; with more of it, visitors mostly wait for those before them
CORES = (2, 16, 128)
# Of an H100 SXM by its data sheet, dense: FLOP/s in bfloat16, and bytes/s to its neighbours.
PEAK, LINK = 989e12, 450e9
Values = dict[str, Any]


def visitors(benchmarks: Path) -> Values | None:
    """Replicas, cores and memory for VISITORS, each as busy as a visitor of `benchmarks.load`."""
    if (measured := read(benchmarks / "load.json")) is None:
        return None
    (row,) = measured["rows"]
    looking, median = row["looking, s"], row["median, s"]
    rate, core = VISITORS / (looking + median), row["an answer, ms of a core"] / 1e3
    replicas = math.ceil(VISITORS / row["visitors"])
    return {
        "measured": row,
        "looking": looking,
        "median": median,
        "slow": row["95th percentile, s"],
        "memory": row["memory, MB"],
        "all": VISITORS,
        "rate": rate,
        "core": core,
        "share": BUSY,
        "cores": math.ceil(rate * core / BUSY),
        "replicas": replicas,
        "gigabytes": replicas * row["memory, MB"] / 1e3,
    }


def ten_million(benchmarks: Path) -> Values | None:
    """Hours for PHOTOS on some numbers of cores, and the files that the file system delivers."""
    scale, folder = read(benchmarks / "scale.json"), read(benchmarks / "batch.json")
    if scale is None or folder is None:
        return None
    facts, cores = by_name(scale), folder["machine"]["cores"]
    rates = {row["photos"]: row["photos/s"] / cores for row in folder["rows"]}
    kept = facts["photos answered by Ray Data, 1/s"] / facts["photos answered by one command, 1/s"]
    table = pd.DataFrame(
        [
            {"photos": kind, "photos/s of a core": rate * kept}
            | {f"{n} cores, hours": PHOTOS / (rate * kept * n) / 3600 for n in CORES}
            for kind, rate in rates.items()
        ]
    )
    size, files = facts["a photo's file, kB"], next(iter(rates.values())) * kept * CORES[-1]
    return {
        "measured_cores": cores,
        "kept": kept,
        "begin": facts["until Ray Data's first row, s"],
        "all": PHOTOS,
        "table": table.to_markdown(index=False, floatfmt=",.1f"),
        "cores": CORES[-1],
        "files": files,
        "size": size,
        "megabytes": files * size / 1e3,
    }


def gpus(benchmarks: Path, checkpoints: Path) -> Values | None:
    """The cost of an epoch of PHOTOS on GPUS: arithmetic, exchange and feeding."""
    scale, epoch = read(benchmarks / "scale.json"), read(benchmarks / "epoch.json")
    if scale is None or epoch is None:
        return None
    facts, speed = by_name(scale), epoch["rows"][0]["photos/s"]
    weights, channels = facts["weights"], facts["channels of all norm layers"]
    sent = 4 * weights * 2 * (GPUS - 1) / GPUS
    return {
        "measured_cores": epoch["machine"]["cores"],
        "speed": speed,
        "all": PHOTOS,
        "hours": PHOTOS / speed / 3600,
        "runs": runs_on_gpus(checkpoints, 1e9 * facts["training on a photo, GFLOP"]),
        "peak": PEAK / 1e12,
        "count": GPUS,
        "weights": weights,
        "gradients": 4 * weights / 1e6,
        "sent": sent / 1e6,
        "microseconds": 1e6 * sent / LINK,
        "link": LINK / 1e9,
        "channels": channels,
        "layers": facts["norm layers"],
        "moments": 16 * channels / 1e3,
        "side": STORED,
        "gigabytes": PHOTOS * 3 * STORED**2 / 1e9,
    }


def runs_on_gpus(checkpoints: Path, flop: float) -> list[Values]:
    """The speed of the shipped runs that a GPU alone trained; flop: of a photo, both ways."""
    rows = []
    for path in sorted(checkpoints.glob("*/report.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        machines = report.get("machines", [])
        if len(machines) == 1 and (gpu := machines[0].get("gpu")):
            speed = report["photos_per_second"]
            rows.append(
                {
                    "gpu": gpu,
                    "name": path.parent.name,
                    "pixels": report["recipe"]["image_size"],
                    # Runs of the time when the processor cropped photos had this setting.
                    "one_by_one": "workers" in report["recipe"],
                    "speed": speed,
                    "share": speed * flop / PEAK,
                }
            )
    return rows


def read(path: Path) -> Values | None:
    """The results of a benchmark; None where it was not run."""
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def by_name(scale: Values) -> dict[str, float]:
    """The figures of `benchmarks.scale` by their names."""
    return {row["what"]: row["value"] for row in scale["rows"]}
