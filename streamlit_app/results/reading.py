"""Reading of reports and of files in checkpoints/results/.

A file that is absent gives None or an empty table; one that is damaged raises ResultsError.
"""

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from plumage.contract import REPORT, RESULTS
from streamlit_app.inference.classifier import checkpoints_flag, variant_folders

Reports = Mapping[str, Mapping[str, Any]]
Results = dict[str, Any]


class ResultsError(ValueError):
    """A damaged file of results and the way to restore it, in one sentence."""


def read_reports(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The report of each variant in a checkpoints folder, by name, and what is wrong with others.

    The study's seven come first; a variant without a report is left out.
    """
    reports, faults = {}, []
    for path in variant_folders(folder):
        if (path / REPORT).is_file():
            try:
                reports[path.name] = _read_report(path / REPORT)
            except ResultsError as error:
                faults.append(str(error))
    return reports, faults


def command(module: str, folder: Path) -> str:
    """The trainer's command, in Markdown, that measures the variants of a folder.

    As in: `python -m trainer.explain --data MYPHOTOS --checkpoints checkpoints/garden`.
    """
    flag = checkpoints_flag(folder)
    reports, _ = read_reports(folder) if flag else ({}, [])
    photos = {report["recipe"].get("data", "PHOTOS") for report in reports.values()}
    data = shlex.quote(photos.pop()) if len(photos) == 1 else "PHOTOS"
    return f"`python -m {module} --data {data}{flag}`"


def read_measured(
    folder: Path, name: str, module: str, validate: Callable[[Any], object]
) -> Results | None:
    """The content of a JSON file of results; None where there is none.

    module: of the command that makes the file. validate: fails on damaged content.

    Raises:
        ResultsError: the file is damaged.
    """
    file = folder / RESULTS / name
    if not file.is_file():
        return None
    try:
        found: Results = json.loads(file.read_text(encoding="utf-8"))
        validate(found)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ResultsError(
            f"checkpoints/{RESULTS}/{name} is damaged: remake it with {command(module, folder)}."
        ) from error
    return found


def read_table(file: Path, columns: list[str], advice: str) -> pd.DataFrame:
    """A CSV file that has these columns; raises ResultsError with the advice."""
    try:
        table = pd.read_csv(file)
    except (ValueError, pd.errors.ParserError):
        table = pd.DataFrame()
    if not set(columns) <= set(table.columns):
        raise ResultsError(f"{file} is damaged: {advice}.")
    return table


def join_words(words: Iterable[str]) -> str:
    """Words as a sentence lists them: a, b and c."""
    *most, last = [*words] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _read_report(file: Path) -> dict[str, Any]:
    try:
        report: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        for split in ("val", "test"):
            [report["metrics"][split]["accuracy"][part] for part in ("value", "low", "high")]
        [report["recipe"][key] for key in ("epochs", "image_size")]
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ResultsError(
            f"checkpoints/{file.parent.name}/report.json is damaged: train this variant again or "
            "copy the file from where it was trained."
        ) from error
    return report
