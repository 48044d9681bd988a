"""Tables of the benchmarks, from benchmarks/results/."""

import json
from pathlib import Path
from typing import Any

import pandas as pd

TRAINING = Path(__file__).parents[2] / "benchmarks" / "training"


def module_of(name: str) -> str:
    """The module of the benchmark that writes NAME.json."""
    return (
        f"benchmarks.training.{name}"
        if (TRAINING / f"{name}.py").exists()
        else f"benchmarks.{name}"
    )


def performance(folder: Path) -> str:
    """A table for each benchmark in a folder of results, under its title and its machine."""
    parts = []
    for path in sorted(folder.glob("*.json")):
        measured: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        table = pd.DataFrame(measured["rows"]).replace({True: "yes", False: "no"})
        table = table.astype(object).where(table.notna(), None)
        machine = ", ".join(f"{key} {value}" for key, value in measured["machine"].items())
        parts += [
            f"## {measured['title']}",
            f"`python -m {module_of(path.stem)}`: {machine}",
            table.to_markdown(index=False, floatfmt=".2f", missingval=""),
        ]
    return "\n\n".join(parts)


def speeds(folder: Path) -> str:
    """The benchmarks of the norms as one row a norm, then a whole epoch."""
    measured = {
        path.stem: json.loads(path.read_text(encoding="utf-8")) for path in folder.glob("*.json")
    }
    rows = {name: pd.DataFrame(result["rows"]) for name, result in measured.items()}
    layers = rows["layers"].query("kernels == 'compiled'").pivot(index="layer", columns="dtype")
    answers = rows["onnx_norms"].query("pixels == 128").set_index("norm")
    table = pd.DataFrame(
        {
            "layer, float32": layers["mean", "float32"],
            "layer, bfloat16": layers["mean", "bfloat16"],
            "training step": rows["step"].query("kernels == 'compiled'").set_index("norm").speed,
            "answer, times bn's": answers["times bn"],
            "gradient, times answer": rows["onnx_saliency"].set_index("norm")["times answer"],
        }
    ).loc[answers.index]
    table = table.astype(object).where(table.notna(), None)
    table.index = pd.Index([f"`{norm}`" for norm in table.index], name="variant")
    epochs = [f"- {row.speed:.2f} times {row.against}" for row in rows["epoch"].itertuples()]
    machine = measured["step"]["machine"]
    return "\n".join(
        [
            table.to_markdown(floatfmt=".2f", missingval=""),
            "",
            "A whole epoch of `python -m trainer`, data and all, runs at",
            "",
            *epochs,
            "",
            f"({machine['processor']}, {machine['cores']} cores, torch {machine['torch']}).",
        ]
    )
