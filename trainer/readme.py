"""Fill the README's tables from the files they come from: `python -m trainer.readme`.

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


def filled(text: str, checkpoints: Path) -> str:
    """The README's text with its tables made anew."""
    for name, table in {"results": results(checkpoints)}.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(start)
        after = rest.partition(end)[2]
        text = f"{before}{start}{table}\n{end}{after}"
    return text


def main() -> None:
    """Rewrite README.md in place."""
    readme = ROOT / "README.md"
    text = filled(readme.read_text(), ROOT / "checkpoints")
    with replacing(readme) as temporary:
        temporary.write_text(text)


if __name__ == "__main__":
    main()
