"""Extrapolation of the benchmarks to more visitors, photos and processors: docs/scale.md."""

import json
import math
from pathlib import Path

import pandas as pd

from trainer.recipe import Recipe

VISITORS = 1_000
PHOTOS = 10_000_000
GPUS = 8
STORED = Recipe().stored_size
BUSY = 0.6  # of a core's time; with more of it, who comes waits mostly for those before
CORES = (2, 16, 128)
# Of an H100 SXM by its data sheet, dense: FLOP/s in bfloat16, and bytes/s to its neighbours.
PEAK, LINK = 989e12, 450e9


def visitors(benchmarks: Path) -> str:
    """Replicas, cores and memory for VISITORS, each as busy as a visitor of `benchmarks.load`."""
    path = benchmarks / "load.json"
    if not path.exists():
        return missing("load")
    (row,) = json.loads(path.read_text(encoding="utf-8"))["rows"]
    pause = row["looking, s"] + row["median, s"]
    rate, core = VISITORS / pause, row["an answer, ms of a core"] / 1e3
    replicas = math.ceil(VISITORS / row["visitors"])
    return listed(
        f"Measured: {row['visitors']} visitors of one process, {row['seconds']} s, "
        f"{row['answers']} answers, median {row['median, s']:.2f} s, 95th percentile "
        f"{row['95th percentile, s']:.2f} s, {row['errors']} errors, at most "
        f"{row['memory, MB']:,.0f} MB; an answer takes {1e3 * core:.0f} ms of a core.",
        f"{VISITORS:,} visitors who look at each answer for {row['looking, s']:g} s ask "
        f"{VISITORS:,} / ({row['looking, s']:g} + {row['median, s']:.2f}) = {rate:.0f} times a "
        f"second.",
        f"That keeps {rate:.0f} x {core:.3f} = {rate * core:.1f} cores busy; at a load of at most "
        f"{BUSY:.0%} it takes {math.ceil(rate * core / BUSY)} cores.",
        f"Replicas as full as the measured one: {VISITORS:,} / {row['visitors']} = {replicas}, "
        f"with {replicas} x {row['memory, MB']:,.0f} MB = "
        f"{replicas * row['memory, MB'] / 1e3:,.0f} GB of memory.",
    )


def ten_million(benchmarks: Path) -> str:
    """Hours for PHOTOS on some numbers of cores, and what the file system has to deliver."""
    path = benchmarks / "scale.json"
    if not path.exists():
        return missing("scale")
    facts = values(path)
    folder = json.loads((benchmarks / "batch.json").read_text(encoding="utf-8"))
    cores = folder["machine"]["cores"]
    rates = {row["photos"]: row["photos/s"] / cores for row in folder["rows"]}
    kept = facts["photos answered by Ray Data, 1/s"] / facts["photos answered by one command, 1/s"]
    table = pd.DataFrame(
        [
            {"photos": kind, "photos/s of a core": rate * kept}
            | {f"{n} cores, hours": PHOTOS / (rate * kept * n) / 3600 for n in CORES}
            for kind, rate in rates.items()
        ]
    )
    small = next(iter(rates.values())) * kept
    begin, size = facts["until Ray Data's first row, s"], facts["a photo's file, kB"]
    return "\n\n".join(
        [
            listed(
                f"Measured on {cores} cores: Ray Data keeps {kept:.2f} of the speed that the "
                f"command has without it, and takes {begin:.0f} s to begin.",
                f"{PHOTOS:,} photos are {PHOTOS:,} / (photos/s of a core x cores) seconds:",
            ),
            table.to_markdown(index=False, floatfmt=",.1f"),
            listed(
                f"{CORES[-1]} cores read {small * CORES[-1]:,.0f} files a second of {size:.0f} kB "
                f"each, {small * CORES[-1] * size / 1e3:,.0f} MB/s: a rate of small files that "
                "the file system must support.",
            ),
        ]
    )


def gpus(benchmarks: Path, checkpoints: Path) -> str:
    """The cost of an epoch of PHOTOS on GPUS: arithmetic, exchange and feeding."""
    path = benchmarks / "scale.json"
    if not path.exists():
        return missing("scale")
    facts = values(path)
    epoch = json.loads((benchmarks / "epoch.json").read_text(encoding="utf-8"))
    (row, *_), cores = epoch["rows"], epoch["machine"]["cores"]
    hours = PHOTOS / row["photos/s"] / 3600
    flop = 1e9 * facts["training on a photo, GFLOP"]
    weights, channels = facts["weights"], facts["channels of all norm layers"]
    gradients, share = 4 * weights, 2 * (GPUS - 1) / GPUS
    return listed(
        f"Measured on {cores} cores: an epoch runs at {row['photos/s']:.0f} photos/s, so "
        f"{PHOTOS:,} photos take {hours:.0f} hours.",
        *measured_on_gpus(checkpoints, flop),
        f"**Exchange.** Gradients are {weights:,.0f} weights x 4 bytes = {gradients / 1e6:.2f} MB "
        f"a step; in a ring of {GPUS} each sends 2 x {GPUS - 1}/{GPUS} of that, "
        f"{share * gradients / 1e6:.2f} MB, in {1e6 * share * gradients / LINK:.0f} µs at "
        f"{LINK / 1e9:.0f} GB/s. Batch norms exchange mean and variance of {channels:.0f} channels "
        f"in {facts['norm layers']:.0f} layers, and as much backward: 2 x 2 x {channels:.0f} x 4 "
        f"bytes = {16 * channels / 1e3:.0f} kB. Neither is many bytes: what counts is that each of "
        f"the {2 * facts['norm layers']:.0f} exchanges of a step waits for the slowest process.",
        f"**Feeding.** Photos lie on the GPU as uint8 where they take less than half of its free "
        f"memory. {PHOTOS:,} photos of {STORED} px take {PHOTOS * 3 * STORED**2 / 1e9:,.0f} GB: "
        "they are read from a mapped file instead, a batch at a time. How fast is not measured.",
    )


def measured_on_gpus(checkpoints: Path, flop: float) -> list[str]:
    """The speed of the shipped runs that a GPU alone trained; flop: of a photo, both ways."""
    paths = sorted(checkpoints.glob("*/report.json"))
    reports = {path.parent.name: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    # Runs of the time when photos were cropped one by one on the processor had this setting.
    earlier = {True: "cropped on the processor one by one", False: "cropped on the GPU in batches"}
    lines = []
    for name, report in reports.items():
        machines, speed = report["machines"], report["photos_per_second"]
        if len(machines) == 1 and (gpu := machines[0].get("gpu")):
            how = earlier["workers" in report["recipe"]]
            lines.append(
                f"Measured on one {gpu}: a run of `{name}` at {report['recipe']['image_size']} px, "
                f"its photos {how}, trained {speed:,.0f} photos/s: at most "
                f"{speed * flop / PEAK:.2%} of {PEAK / 1e12:.0f} TFLOP/s, an H100's peak."
            )
    return lines or ["No run was trained on a GPU alone: its speed is not measured."]


def values(path: Path) -> dict[str, float]:
    """The figures of `benchmarks.scale` by what they are."""
    return {
        row["what"]: row["value"] for row in json.loads(path.read_text(encoding="utf-8"))["rows"]
    }


def listed(*sentences: str) -> str:
    """Sentences as a list."""
    return "\n".join(f"- {sentence}" for sentence in sentences)


def missing(name: str) -> str:
    """The text in place of a benchmark that was not run."""
    return f"Not measured yet: `python -m benchmarks.{name}`."
