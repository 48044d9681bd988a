"""Write the documents from what was measured: `python -m trainer.report`.

RESULTS.md, docs/results/ and the model card come from whole templates. In the other documents a
table stands between `<!-- NAME -->` and `<!-- end of NAME -->`; nothing else there is touched.
Imports no torch.
"""

import json
import re
import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from plumage.contract import RESULTS
from trainer.checkpoint.reports import read_reports
from trainer.recipe import CHECKPOINTS
from trainer.report import benchmarks, border, explain, ood, published_set, scale, scores, studies
from trainer.studies.conclusions import answer, size_sentence
from trainer.utils.files import replacing, write_json
from trainer.verdicts import VERDICTS, wording

ROOT = Path(__file__).parents[2]
BENCHMARKS = ROOT / "benchmarks" / "results"
DETAILS = ROOT / "docs" / "results"
TEMPLATES = {
    ROOT / "RESULTS.md": "RESULTS.md.j2",
    **{DETAILS / f"{name}.md": f"{name}.md.j2" for name in (
        "accuracy", "uncertainty", "heatmaps", "shortcut-learning", "published-set", "studies"
    )},
    DETAILS / "accuracy.svg": "accuracy.svg.j2",
    CHECKPOINTS / "README.md": "model-card.md.j2",
    ROOT / "docs" / "scale.md": "scale.md.j2",
}  # fmt: skip
WIDTH = 100
MARKED = (ROOT / "README.md", ROOT / "benchmarks" / "README.md")


def conclude(folder: Path) -> None:
    """Bring the verdicts in the files of a folder of results up to date with their rows."""
    for name, verdict in VERDICTS.items():
        path = folder / f"{name}.json"
        if path.exists():
            text = path.read_text(encoding="utf-8")
            indent = 2 if text.startswith("{\n") else None  # as the command wrote it
            new = json.dumps(verdict(json.loads(text)), indent=indent) + "\n"
            if new != text:
                with replacing(path) as temporary:
                    temporary.write_text(new, encoding="utf-8")
    for path in (folder / "studies").glob("*.json"):
        facts = json.loads(path.read_text(encoding="utf-8"))
        table = pd.read_csv(path.with_suffix(".csv"))
        words = {"answer": answer(path.stem, table, facts), "size": size_sentence(facts)}
        if facts | words != facts:
            write_json(path, facts | words)


def context(checkpoints: Path, measured: Path) -> dict[str, Any]:
    """The values and functions that templates use; a file that is not there is None.

    measured: folder of the benchmarks' results.
    """
    results = {
        name: json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
        for name in VERDICTS
        for path in [checkpoints / RESULTS / f"{name}.json"]
    }
    return results | {
        "reports": read_reports(checkpoints),
        "alone": scores.without_near_duplicates(results["leakage"]),
        "scores_of": scores,
        "ood_of": ood,
        "explain_of": explain,
        "border_of": border,
        "published": published_set.read(checkpoints),
        "published_of": published_set,
        "norms": studies.facts_of("norms", checkpoints),
        "studies": studies.sections(checkpoints),
        "visitors": scale.visitors(measured),
        "ten_million": scale.ten_million(measured),
        "gpus": scale.gpus(measured, checkpoints),
    }


def render(template: str, checkpoints: Path, measured: Path = BENCHMARKS) -> str:
    """A template filled with what lies in a checkpoints folder and in one of benchmarks."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).with_name("templates")),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "table": scores.markdown,
        "percent": wording.percent,
        "interval": wording.percent_interval,
        "name": wording.display_norm,
    }
    text = environment.get_template(template).render(context(checkpoints, measured))
    return re.sub(r"\n{3,}", "\n\n", text)  # blocks leave empty lines


def filled(text: str, checkpoints: Path, measured: Path) -> str:
    """A document's text with its marked tables up to date."""
    tables: dict[str, Callable[[], str]] = {
        "scores": partial(render, "scores.md.j2", checkpoints),
        "performance": partial(benchmarks.performance, measured),
        "speeds": partial(benchmarks.speeds, measured),
    }
    for name, table in tables.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if start in text:
            before, _, rest = text.partition(start)
            text = f"{before}{start}{table().rstrip()}\n{end}{rest.partition(end)[2]}"
    return text


def wrapped(text: str) -> str:
    """A document whose paragraphs and list items have lines of at most WIDTH characters."""
    lines = []
    for line in text.split("\n"):
        if len(line) <= WIDTH or line.startswith(("|", " ", "!", "<")):  # tables, code, pictures
            lines.append(line)
        else:
            indent = "  " if line.startswith("- ") else ""
            lines += textwrap.wrap(
                line,
                WIDTH,
                subsequent_indent=indent,
                break_long_words=False,
                break_on_hyphens=False,
            )
    return "\n".join(lines).rstrip("\n") + "\n"


def up_to_date(document: Path) -> str:
    """The text that a document of the project should have."""
    if document.suffix == ".svg":
        return render(TEMPLATES[document], CHECKPOINTS)
    if document in TEMPLATES:
        return wrapped(render(TEMPLATES[document], CHECKPOINTS))
    return wrapped(filled(document.read_text(encoding="utf-8"), CHECKPOINTS, BENCHMARKS))


def main() -> None:
    """Write the documents in place."""
    conclude(CHECKPOINTS / RESULTS)
    for document in (*TEMPLATES, *MARKED):
        text = up_to_date(document)
        with replacing(document) as temporary:
            temporary.write_text(text, encoding="utf-8")
    if found := context(CHECKPOINTS, BENCHMARKS)["border"]:
        border.draw(found, DETAILS)


if __name__ == "__main__":
    main()
