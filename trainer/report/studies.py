"""The studies as sections of RESULTS.md: what each shows, how large it is, and its table.

Accuracies are of val after a run's last epoch.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from trainer.report.scores import markdown
from trainer.studies.conclusions import WAYS, Facts, endings, growths, report_of


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
    """What the report says about a setting: its test accuracy in percent, and a remark."""
    rows = report_of(study)
    rows = rows[rows.setting == setting]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    figure = f"{100 * float(row.test_accuracy):.1f}" if row.test_accuracy else ""
    return ", ".join(part for part in (figure, row.remark) if part)


def optimizers_table(table: pd.DataFrame, facts: Facts) -> str:
    """A row an optimizer, a column a learning rate, and the schedules at the best one."""
    runs = endings(table)
    constant, rows = runs[runs.schedule == "constant"], []
    rates = sorted(runs.peak_learning_rate.unique())
    for name in constant.optimizer_name.unique():
        own = runs[runs.optimizer_name == name]
        at_rates = {
            f"{rate:g}": spread_of(
                own[(own.schedule == "constant") & (own.peak_learning_rate == rate)].accuracy
            )
            for rate in rates
        }
        under = {
            schedule: spread_of(own[own.schedule == schedule].accuracy)
            for schedule in ("step", "cosine")
        }
        at = own[own.schedule != "constant"].peak_learning_rate.unique()
        under |= {"both at": ", ".join(f"{rate:g}" for rate in at)}
        said = {"the report": reports_cell("optimizers", name)}
        rows.append({"optimizer": name, **at_rates, **under, **said})
    return markdown(rows)


def batch_size_table(table: pd.DataFrame, facts: Facts) -> str:
    """A row a norm and batch size, a column a way to keep things equal."""
    runs, rows = endings(table), []
    for (norm, size), own in runs.groupby(["norm", "batch_size"], sort=False):
        ways = {
            f"equal {equal}, rate {rate}": spread_of(
                own[own.equal.isin([equal, "both"]) & own.rate.isin([rate, "both"])].accuracy
            )
            for equal, rate in WAYS
        }
        said = reports_cell("batch-size", f"{norm} {size}")
        rows.append(
            {"norm": f"`{norm}`", "batch": str(size), **ways, "the report's test accuracy": said}
        )
    return markdown(rows)


def feature_quantiles_table(table: pd.DataFrame, facts: Facts) -> str:
    """A row a norm: the percentiles in the first epoch and the last, means over runs."""
    val = table[table.split == "val"]
    columns = [column for column in val if column.startswith("percentile_")]
    growth, rows = growths(table), []
    for norm, own in val.groupby("norm", sort=False):
        row = {"norm": f"`{norm}`", "runs": str(own.seed.nunique())}
        for words, epoch in (("first", own.epoch.min()), ("last", own.epoch.max())):
            means = own[own.epoch == epoch][columns].mean()
            for column in columns:
                name = f"{column.rpartition('_')[2]}%, {words} epoch"
                row[name] = f"{means[column]:.2f}"
        grown = np.exp(growth.get(norm, []))
        row["99% grows, times"] = f"{grown.mean():.2f}" if len(grown) else ""
        rows.append(row)
    return markdown(rows)


def depth_table(table: pd.DataFrame, facts: Facts) -> str:
    """A row a depth and learning rate, a column a norm."""
    runs, rows = endings(table), []
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


REPORTS_SILENCE = {"feature-quantiles": "The report has no figures on this."}
SECTIONS: dict[str, Callable[[pd.DataFrame, Facts], str]] = {
    "optimizers": optimizers_table,
    "batch-size": batch_size_table,
    "feature-quantiles": feature_quantiles_table,
    "depth": depth_table,
}


def size(facts: Facts) -> str:
    """How large the study's runs are, how many there are, and what was dropped."""
    recipe = facts["recipe"]
    each = recipe["photos_per_species"]
    photos = f"{each} training photos of each species" if each else "all training photos"
    words = (
        f"{recipe['image_size']} px, {photos}, {recipe['epochs']} epochs where they are not "
        f"varied; {facts['done']} of {facts['planned']} runs are done"
    )
    if facts["done"] == facts["planned"]:
        return f"{words}."
    if facts["in_time"]:
        return f"{words}, the others are still to come."
    return (
        f"{words}; the others were dropped when {facts['minutes']:g} minutes on two cores were "
        "spent, those of the last seeds first."
    )


def section(study: str, checkpoints: Path) -> str:
    """A study's sentence, its size and its table, or the command that makes it."""
    path = checkpoints / "results" / "studies" / f"{study}.csv"
    if not (path.exists() and path.with_suffix(".json").exists()):
        return f"To be made by `python -m trainer.studies {study} --data PHOTOS`."
    table, facts = pd.read_csv(path), json.loads(path.with_suffix(".json").read_text())
    parts = [f"**{facts['answer']}**", size(facts), SECTIONS[study](table, facts)]
    return "\n\n".join([*parts, *([REPORTS_SILENCE[study]] if study in REPORTS_SILENCE else [])])
