"""What RESULTS.md says of the recipe's parts and of learning rates, from studies on val."""

import math
from pathlib import Path

import pandas as pd

from trainer.checkpoint.reports import read_reports
from trainer.report.scores import diverged, markdown, missing_study, study_runs

HARDER = {
    "accuracy_without_relatives": "without a relative in train, %",
    "accuracy_other_filter": "shrunk with another filter, %",
}


def ablation(study: str, checkpoints: Path) -> str:
    """What each change of the recipe does to val, in `recipe` or another study like it."""
    runs = study_runs(checkpoints, study)
    if runs is None:
        return missing_study(study)
    ends = runs[(runs.split == "val") & (runs.epoch == runs.epoch.max())]
    ends = pd.concat([ends.sort_values("accuracy", ascending=False), diverged(runs)])
    varied = list(runs)[: list(runs).index("epoch")]
    usual = ends[varied].mode().iloc[0]
    rows = []
    for _, row in ends.iterrows():
        changes = [f"{key} {row[key]}" for key in varied if row[key] != usual[key]]
        ended = not pd.isna(row.accuracy)
        rows.append(
            {
                "change": ", ".join(changes).replace("_", " ") or "none",
                "val accuracy, %": f"{row.accuracy:.1%}"[:-1] if ended else "diverged",
                "val loss": f"{row.loss:.3f}" if ended else "",
            }
            | {
                words: "" if pd.isna(row[column]) else f"{row[column]:.1%}"[:-1]
                for column, words in HARDER.items()
                if column in row
            }
        )
    return f"After {runs.epoch.max()} epochs:\n\n{markdown(rows)}"


def learning_rates(checkpoints: Path) -> str:
    """Val accuracy of each norm at each learning rate of the list, its best one in bold."""
    runs = study_runs(checkpoints, "learning-rate")
    if runs is None:
        return missing_study("learning-rate")
    ends = runs[(runs.split == "val") & (runs.epoch == runs.epoch.max())]
    table = ends.pivot(index="norm", columns="peak_learning_rate", values="accuracy")
    tried = set(zip(runs.norm, runs.peak_learning_rate, strict=True))
    rows = []
    for norm, accuracies in table.iterrows():
        row = {"variant": f"`{norm}`"}
        for rate, accuracy in accuracies.items():
            text = f"{accuracy:.1%}"[:-1]
            if pd.isna(accuracy):
                text = "diverged" if (norm, rate) in tried else ""
            row[f"{rate:g}"] = f"**{text}**" if accuracy == accuracies.max() else text
        rows.append(row)
    return (
        f"Val accuracy, %, by highest learning rate:\n\n{markdown(rows)}\n\n"
        f"{better_rates(table, tried, checkpoints)}"
    )


def better_rates(accuracies: pd.DataFrame, tried: set[tuple[str, float]], checkpoints: Path) -> str:
    """Which variants another learning rate than theirs suits better, and by more than chance.

    accuracies: on val, a row a norm, a column a rate, NaN where a run diverged or was not tried.
    """
    found = []
    for norm, report in read_reports(checkpoints).items():
        own = report["recipe"]["learning_rate"]
        if norm not in accuracies.index or own not in accuracies:
            continue
        of_norm, count = accuracies.loc[norm], report["photos"]["val"]["count"]
        best, kept = of_norm.max(), of_norm[own]
        if pd.isna(kept) and (norm, own) in tried and not pd.isna(best):
            found.append(f"`{norm}` at {of_norm.idxmax():g} instead of {own:g}, which diverged")
        # Of the difference of two shares, each of as many photos.
        error = math.sqrt((best * (1 - best) + kept * (1 - kept)) / count)
        if best - kept > error:
            found.append(
                f"`{norm}` at {of_norm.idxmax():g} instead of {own:g} "
                f"({100 * (best - kept):+.1f} points, standard error {100 * error:.1f})"
            )
    rule = "by more than a standard error of the difference"
    if not found:
        return f"No variant does better at another rate than the shipped one's {rule}."
    return f"Better at another rate than the shipped one's {rule}: {', '.join(found)}."
