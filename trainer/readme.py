"""Fill the documents' tables from the files they come from: `python -m trainer.readme`.

A table stands between `<!-- NAME -->` and `<!-- end of NAME -->`; nothing else is touched.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd

from trainer.files import replacing

ROOT = Path(__file__).parents[1]


def percent(score: dict[str, float]) -> str:
    """A score in percent with its 95% interval: 86.1 (84.3 to 87.8)."""
    return f"{score['value']:.1%} ({score['low']:.1%} to {score['high']:.1%})".replace("%", "")


def results(checkpoints: Path) -> str:
    """The table of what each variant in a checkpoints folder scored, from its report.json."""
    rows = []
    for path in sorted(checkpoints.glob("*/report.json")):
        report: dict[str, Any] = json.loads(path.read_text())
        test = report["metrics"]["test"]
        rows.append(
            {
                "variant": f"`{path.parent.name}`",
                "test accuracy, %": percent(test["accuracy"]),
                "test macro F1, %": percent(test["macro_f1"]),
                "val accuracy, %": percent(report["metrics"]["val"]["accuracy"]),
                "parameters": f"{report['parameters']:,}",
                "minutes of training": f"{report['seconds'] / 60:.0f}",
            }
        )
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


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


def filled(text: str, checkpoints: Path, benchmarks: Path) -> str:
    """The text with its tables made anew."""
    tables = {"results": results(checkpoints), "performance": performance(benchmarks)}
    for name, table in tables.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if start not in text:
            continue
        before, _, rest = text.partition(start)
        after = rest.partition(end)[2]
        text = f"{before}{start}{table}\n{end}{after}"
    return text


def up_to_date(document: Path) -> str:
    """What a document of the project should say, given its checkpoints and benchmarks."""
    return filled(document.read_text(), ROOT / "checkpoints", ROOT / "benchmarks" / "results")


def main() -> None:
    """Rewrite README.md in place."""
    readme = ROOT / "README.md"
    text = up_to_date(readme)
    with replacing(readme) as temporary:
        temporary.write_text(text)


if __name__ == "__main__":
    main()
