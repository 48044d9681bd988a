"""The studies as sections of RESULTS.md: what each shows, what was run, and its table.

A study without a table has no section. Accuracies are of val after a run's last epoch, those of
`norms` of test.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from trainer.report.scores import markdown
from trainer.studies.conclusions import (
    Facts,
    factor,
    growths,
    report_of,
    size_sentence,
    smallest_visible,
)
from trainer.studies.study import final_scores


def spread_of(accuracies: Sequence[float]) -> str:
    """The runs of one setting in percent: mean, standard deviation, how many there are."""
    values = np.array(accuracies, float)
    if not len(values):
        return ""
    ended = values[~np.isnan(values)]
    if len(ended) < len(values):
        return f"{len(values) - len(ended)} of {len(values)} diverged"
    if len(ended) == 1:
        return f"{100 * ended[0]:.1f} (1 run)"
    return f"{100 * ended.mean():.1f} ± {100 * ended.std(ddof=1):.1f} ({len(ended)} runs)"


def reports_cell(study: str, setting: str) -> str:
    """The report's figure for a setting: its test accuracy in percent, and a remark."""
    rows = report_of(study)
    rows = rows[rows.setting == setting]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    figure = f"{100 * float(row.test_accuracy):.1f}" if row.test_accuracy else ""
    return ", ".join(part for part in (figure, row.remark) if part)


def by_rate(runs: pd.DataFrame) -> dict[str, str]:
    """A cell for each learning rate, with what its runs end at."""
    groups = runs.groupby("peak_learning_rate")
    return {f"{rate:g}": spread_of(group.accuracy) for rate, group in groups}


def norms_table(table: pd.DataFrame, facts: Facts) -> str:
    """A row a norm, the best on test first."""
    val = final_scores(table)
    rates = val.groupby("norm").peak_learning_rate.first()
    runs = final_scores(table, "test").groupby("norm")
    minutes = table[table.split == "train"].groupby(["norm", "seed"]).seconds.sum() / 60
    rows = [
        {
            "variant": f"`{norm}`",
            "learning rate": f"{rates[norm]:g}",
            "test accuracy": spread_of(runs.get_group(norm).accuracy),
            "val accuracy, last epoch": spread_of(val[val.norm == norm].accuracy),
            "minutes a run": f"{minutes[norm].mean():.0f}",
        }
        for norm in runs.accuracy.mean().sort_values(ascending=False).index
    ]
    return markdown(rows)


def learning_rate_table(table: pd.DataFrame, facts: Facts) -> str:
    """A row a norm, a column a learning rate."""
    runs = final_scores(table)
    rates = sorted(runs.peak_learning_rate.unique())
    rows = []
    for norm, own in runs.groupby("norm", sort=False):
        cells = by_rate(own)
        rows.append(
            {"norm": f"`{norm}`"} | {f"{rate:g}": cells.get(f"{rate:g}", "") for rate in rates}
        )
    return markdown(rows)


def optimizers_table(table: pd.DataFrame, facts: Facts) -> str:
    """A row an optimizer, schedule and learning rate."""
    keys = ["optimizer_name", "schedule", "peak_learning_rate"]
    rows = [
        {
            "optimizer": name,
            "schedule": schedule,
            "learning rate": f"{rate:g}",
            "val accuracy": spread_of(group.accuracy),
            "the report": reports_cell("optimizers", f"{name} {rate:g}")
            if schedule == "constant"
            else "",
        }
        for (name, schedule, rate), group in final_scores(table).groupby(keys)
    ]
    return markdown(rows)


def batch_size_table(table: pd.DataFrame, facts: Facts) -> str:
    """A row a norm, batch size and length, a column a learning rate's runs."""
    rows = []
    keys = ["norm", "batch_size", "equal", "epochs"]
    for (norm, size, equal, epochs), own in final_scores(table).groupby(keys):
        rates = [f"{cell} at {rate}" for rate, cell in by_rate(own).items()]
        rows.append(
            {
                "norm": f"`{norm}`",
                "batch": str(size),
                "as at 32": "epochs and steps" if equal == "both" else equal,
                "epochs": str(epochs),
                "val accuracy at each learning rate": ", ".join(rates),
                "the report's test accuracy": reports_cell("batch-size", f"{norm} {size}"),
            }
        )
    return markdown(rows)


def feature_quantiles_table(table: pd.DataFrame, facts: Facts) -> str:
    """A row a norm: the percentiles in the first epoch and the last, means over runs."""
    val = table[table.split == "val"]
    columns = [column for column in val if column.startswith("percentile_")]
    growth, rows = growths(table), []
    for norm, own in val.groupby("norm", sort=False):
        accuracies = own[own.epoch == own.epoch.max()].accuracy
        row = {"norm": f"`{norm}`", "val accuracy": spread_of(accuracies)}
        for words, epoch in (("first", own.epoch.min()), ("last", own.epoch.max())):
            means = own[own.epoch == epoch][columns].mean()
            for column in columns:
                name = f"{column.rpartition('_')[2]}%, {words} epoch"
                row[name] = f"{means[column]:.2f}"
        row["99%, last over first, geometric mean"] = (
            f"{factor(growth[norm]):.2f}" if norm in growth else ""
        )
        rows.append(row)
    return markdown(rows)


def depth_table(table: pd.DataFrame, facts: Facts) -> str:
    """A row a depth and learning rate, a column a norm."""
    runs, rows = final_scores(table), []
    for (n, rate), own in runs.groupby(["n", "peak_learning_rate"]):
        row = {"n": str(n), "layers": str(6 * n + 2), "learning rate": f"{rate:g}"}
        for norm in runs.norm.unique():
            row[f"`{norm}`"] = spread_of(own[own.norm == norm].accuracy)
        said = {norm: reports_cell("depth", f"{norm} {n}") for norm in runs.norm.unique()}
        row["the report's test accuracy"] = ", ".join(
            f"`{norm}` {figure}" for norm, figure in said.items() if figure
        )
        rows.append(row)
    return markdown(rows)


class Section(NamedTuple):
    """A study's place in RESULTS.md.

    Attributes:
        title: its heading.
        words: what a reader has to know about how it was made.
        table: its runs as Markdown.
    """

    title: str
    words: str
    table: Callable[[pd.DataFrame, Facts], str]


SECTIONS = {
    "norms": Section(
        "Which norm?",
        "The weights that are best on val are scored on test. Minutes are wall-clock time on a "
        "shared machine: they do not compare norms.",
        norms_table,
    ),
    "learning-rate": Section("Which learning rate?", "", learning_rate_table),
    "optimizers": Section(
        "Which optimizer?",
        "The report found momentum 0.9 at 0.002 best among SGD, and Adam best of all.",
        optimizers_table,
    ),
    "batch-size": Section(
        "Does batch norm need large batches?",
        "The report's figures are single runs of unequal length.",
        batch_size_table,
    ),
    "depth": Section(
        "How deep can a network without a norm be?",
        "A network has learned if it is significantly better than guessing (binomial test, p < "
        "0.01). Training stops at the depth where most runs have not learned at either rate.",
        depth_table,
    ),
    "feature-quantiles": Section(
        "What do the features do?",
        "Percentiles of the features that enter the last pooling, after its ReLU, over the same "
        "val photos each time (as in Wu and He 2018).",
        feature_quantiles_table,
    ),
}


def facts_of(study: str, checkpoints: Path) -> Facts | None:
    """The facts of a study beside its table; None where it was not made."""
    path = checkpoints / "results" / "studies" / f"{study}.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def sections(checkpoints: Path) -> list[dict[str, str]]:
    """Every study that has runs: title, answer, size, spread, words and table."""
    found = []
    for study, section in SECTIONS.items():
        if (facts := facts_of(study, checkpoints)) is None:
            continue
        table = pd.read_csv(checkpoints / "results" / "studies" / f"{study}.csv")
        found.append(
            {
                "title": section.title,
                "answer": facts["answer"],
                "size": size_sentence(facts),
                "spread": smallest_visible(study, table),
                "words": section.words,
                "table": section.table(table, facts),
            }
        )
    return found
