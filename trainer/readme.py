"""Fill the documents' tables from the files they come from: `python -m trainer.readme`.

A table stands between `<!-- NAME -->` and `<!-- end of NAME -->`; nothing else is touched.
"""

import json
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from trainer import results, results_explain, results_studies
from trainer.checkpoint import CHECKPOINTS
from trainer.files import replacing

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "README.md", ROOT / "RESULTS.md", CHECKPOINTS / "README.md")


def performance(folder: Path) -> str:
    """A table for each benchmark in a folder of results, under its title and its machine."""
    parts = []
    for path in sorted(folder.glob("*.json")):
        measured: dict[str, Any] = json.loads(path.read_text())
        table = pd.DataFrame(measured["rows"]).replace({True: "yes", False: "no"})
        machine = ", ".join(f"{key} {value}" for key, value in measured["machine"].items())
        parts += [
            f"**{measured['title']}** (`python -m benchmarks.{path.stem}`; {machine})",
            table.to_markdown(index=False, floatfmt=".2f", missingval=""),
        ]
    return "\n\n".join(parts)


TABLES = {
    "results": results.scores,
    "splits": results.all_splits,
    "report": results.beside_the_report,
    "seeds": results.over_seeds,
    "pairs": results.pairs,
    "calibration": results.calibration,
    "hardest": results.hardest,
    "recipe": results.recipe,
    "learning rates": results.learning_rates,
    "heatmaps": results_explain.trust,
    "methods": results_explain.methods,
    "background": results_explain.background,
    "conclusion": results.conclusion,
} | {name: partial(results_studies.section, name) for name in results_studies.SECTIONS}


def filled(text: str, checkpoints: Path, benchmarks: Path) -> str:
    """The text with its tables made anew."""
    makers = {name: partial(table, checkpoints) for name, table in TABLES.items()}
    for name, table in (makers | {"performance": partial(performance, benchmarks)}).items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if start not in text:
            continue
        before, _, rest = text.partition(start)
        after = rest.partition(end)[2]
        text = f"{before}{start}{table()}\n{end}{after}"
    return text


def up_to_date(document: Path) -> str:
    """What a document of the project should say, given its checkpoints and benchmarks."""
    return filled(document.read_text(), CHECKPOINTS, ROOT / "benchmarks" / "results")


def main() -> None:
    """Rewrite the documents in place."""
    for document in DOCUMENTS:
        text = up_to_date(document)
        with replacing(document) as temporary:
            temporary.write_text(text)


if __name__ == "__main__":
    main()
