"""Fill the documents' tables from the files they come from: `python -m trainer.report`.

A table stands between `<!-- NAME -->` and `<!-- end of NAME -->`; nothing else is touched.
"""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from trainer.recipe import CHECKPOINTS
from trainer.report import border as results_shortcut
from trainer.report import explain as results_explain
from trainer.report import leakage as results_relatives
from trainer.report import ood as results_novelty
from trainer.report import scale as results_scale
from trainer.report import scores as results
from trainer.report import studies as results_studies
from trainer.utils.files import replacing

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks"
DOCUMENTS = (
    ROOT / "README.md",
    ROOT / "RESULTS.md",
    CHECKPOINTS / "README.md",
    BENCHMARKS / "README.md",
    ROOT / "docs" / "scale.md",
)


def performance(folder: Path) -> str:
    """A table for each benchmark in a folder of results, under its title and its machine."""
    parts = []
    for path in sorted(folder.glob("*.json")):
        measured: dict[str, Any] = json.loads(path.read_text())
        table = pd.DataFrame(measured["rows"]).replace({True: "yes", False: "no"})
        table = table.astype(object).where(table.notna(), None)
        machine = ", ".join(f"{key} {value}" for key, value in measured["machine"].items())
        parts += [
            f"## {measured['title']}",
            f"`python -m benchmarks.{path.stem}`: {machine}",
            table.to_markdown(index=False, floatfmt=".2f", missingval=""),
        ]
    return "\n\n".join(parts)


def speeds(folder: Path) -> str:
    """The benchmarks of the norms as one row a norm, then a whole epoch."""
    measured = {path.stem: json.loads(path.read_text()) for path in folder.glob("*.json")}
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


TABLES: dict[str, Callable[[Path], str]] = {
    "results": results.scores,
    "splits": results.all_splits,
    "report": results.beside_the_report,
    "pairs": results.pairs,
    "calibration": results.calibration,
    "hardest": results.hardest,
    "heatmaps": results_explain.trust,
    "methods": results_explain.methods,
    "background": results_explain.background,
    "confused": results_explain.confused,
    "shortcut": results_shortcut.shortcut,
    "relatives": results_relatives.in_short,
    "published set": results_relatives.published,
    "scores without relatives": results_relatives.table,
    "strangers": results_novelty.strangers,
    "novelty scores": results_novelty.scores,
    "robustness": results_novelty.robustness,
    "prediction sets": results_novelty.prediction_sets,
    "conclusion": results.conclusion,
    "studies": results_studies.sections,
}


def filled(text: str, checkpoints: Path, benchmarks: Path) -> str:
    """The text with its tables made anew."""
    makers = {name: partial(table, checkpoints) for name, table in TABLES.items()}
    makers |= {
        "performance": partial(performance, benchmarks),
        "speeds": partial(speeds, benchmarks),
        "visitors": partial(results_scale.visitors, benchmarks),
        "ten million": partial(results_scale.ten_million, benchmarks),
        "gpus": partial(results_scale.gpus, benchmarks, checkpoints),
    }
    for name, table in makers.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if start not in text:
            continue
        before, _, rest = text.partition(start)
        after = rest.partition(end)[2]
        text = f"{before}{start}{table()}\n{end}{after}"
    return text


def up_to_date(document: Path) -> str:
    """What a document of the project should say, given its checkpoints and benchmarks."""
    return filled(document.read_text(), CHECKPOINTS, BENCHMARKS / "results")


def main() -> None:
    """Rewrite the documents in place."""
    for document in DOCUMENTS:
        text = up_to_date(document)
        with replacing(document) as temporary:
            temporary.write_text(text)
    results_shortcut.draw(CHECKPOINTS, ROOT / "docs")


if __name__ == "__main__":
    main()
