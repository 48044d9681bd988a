"""Rows of the tables on accuracy, significance and calibration; all numbers as text."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from plumage.contract import CONSENSUS, display_name
from trainer.verdicts.wording import LEVEL, percent, percent_interval

COURSE_REPORT = Path(__file__).with_name("course_report.csv")

Rows = list[dict[str, str]]
Reports = Mapping[str, Mapping[str, Any]]


def markdown(rows: Rows) -> str:
    """Rows of text as a Markdown table."""
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True, missingval="")


def shown(variant: str) -> str:
    """A variant as a table names it."""
    return variant if variant == CONSENSUS else f"`{variant}`"


def without_near_duplicates(leakage: dict[str, Any] | None) -> dict[str, dict[str, float]]:
    """Each variant's accuracy on test photos without a near-duplicate in train, as a score."""
    return {
        row["variant"]: {"value": row["accuracy"], "low": row["low"], "high": row["high"]}
        for row in (leakage or {"rows": []})["rows"]
        if not row["near_duplicate"]
    }


def accuracies(reports: Reports, leakage: dict[str, Any] | None) -> Rows:
    """A row a variant, the most accurate first: on test photos without a near-duplicate and all."""
    alone = without_near_duplicates(leakage)
    rows = [
        {
            "variant": shown(name),
            "test accuracy without near-duplicates in train, %": percent_interval(alone[name])
            if name in alone
            else "",
            "on all test photos, %": percent_interval(report["metrics"]["test"]["accuracy"]),
            "val accuracy, %": percent_interval(report["metrics"]["val"]["accuracy"]),
            "pixels": str(report["recipe"]["image_size"]),
            "epochs": str(report["recipe"]["epochs"]),
            "parameters": f"{report['parameters']:,}",
        }
        for name, report in ranked(reports, alone).items()
    ]
    return rows


def ranked(reports: Reports, alone: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Reports by accuracy without near-duplicates, by that on all test photos where not known."""

    def accuracy(name: str) -> float:
        score = alone.get(name) or reports[name]["metrics"]["test"]["accuracy"]
        return score["value"]

    return {name: reports[name] for name in sorted(reports, key=accuracy, reverse=True)}


def axis_start(reports: Reports, alone: Mapping[str, Mapping[str, float]]) -> float:
    """The multiple of 0.1 below all intervals of the chart of accuracies."""
    lows = [report["metrics"]["test"]["accuracy"]["low"] for report in reports.values()]
    lows += [alone[name]["low"] for name in reports if name in alone]
    return math.floor(10 * min(lows)) / 10


def splits(reports: Reports) -> Rows:
    """Accuracy, micro F1 and macro F1 of each variant on each split, and its training."""
    return [
        {"variant": shown(name), "split": split}
        | {
            f"{score.replace('_', ' ').replace('f1', 'F1')}, %": percent_interval(value)
            for score, value in metrics.items()
        }
        for name, report in reports.items()
        for split, metrics in report["metrics"].items()
    ]


def training(reports: Reports) -> Rows:
    """Minutes and machines of each variant's training."""
    return [
        {
            "variant": shown(name),
            "minutes": f"{report['seconds'] / 60:.0f}",
            "machines": ", then ".join(m.get("gpu", m["processor"]) for m in report["machines"]),
        }
        for name, report in reports.items()
    ]


def course_report(reports: Reports) -> Rows:
    """Test scores of the course report and of the shipped networks."""
    rows = []
    for row in pd.read_csv(COURSE_REPORT, keep_default_na=False).to_dict("records"):
        here = reports.get(row["variant"])
        rows.append(
            {
                "variant": shown(row["variant"]),
                "report: accuracy, %": percent(row["test_accuracy"])[:-1],
                "macro F1, %": percent(row["test_macro_f1"])[:-1],
            }
            | {
                f"here: {score.replace('_', ' ').replace('f1', 'F1')}, %": percent_interval(
                    here["metrics"]["test"][score]
                )
                if here
                else ""
                for score in ("accuracy", "macro_f1")
            }
        )
    return rows


def order_sentence(reports: Reports) -> str:
    """Whether the variants rank as in the course report, by Spearman's correlation."""
    theirs = pd.read_csv(COURSE_REPORT).set_index("variant").test_accuracy
    both = [name for name in theirs.index if name in reports]
    if len(both) < 3:
        return "There are too few variants to compare their order."
    ours = [reports[name]["metrics"]["test"]["accuracy"]["value"] for name in both]
    rank = stats.spearmanr([theirs[name] for name in both], ours)
    agrees = rank.pvalue < LEVEL and rank.statistic > 0
    return (
        f"{'Yes' if agrees else 'No evidence'}: Spearman's correlation of the ranks of {len(both)} "
        f"variants with the report's is {rank.statistic:.2f} (p = {rank.pvalue:.2g})."
    )


def pairs(comparison: dict[str, Any]) -> Rows:
    """McNemar's tests, the smallest p first."""
    return [
        {
            "variants": f"`{pair['a']}`, `{pair['b']}`",
            "only the first right": str(pair["only_a_right"]),
            "only the second right": str(pair["only_b_right"]),
            "p": f"{pair['p']:.2g}",
            "p, Holm": f"{pair['p_holm']:.2g}",
            "differ": "yes" if pair["differ"] else "no",
        }
        for pair in sorted(comparison["pairs"], key=lambda pair: pair["p"])
    ]


def calibration(comparison: dict[str, Any]) -> Rows:
    """Expected calibration error before and after temperature scaling, and latency."""
    return [
        {
            "variant": shown(name),
            "test accuracy, %": percent_interval(variant["accuracy"]),
            "calibration error before, %": percent(variant["calibration_error"]["before"])[:-1],
            "after, %": percent(variant["calibration_error"]["after"])[:-1],
            "ms a photo": f"{variant['milliseconds']:.1f}",
        }
        for name, variant in comparison["variants"].items()
    ]


def hardest(comparison: dict[str, Any], count: int = 8) -> Rows:
    """The species of lowest recall for the most accurate variant, and its mistakes."""
    species, variant = comparison["species"], comparison["variants"][comparison["best"]]
    confusion = pd.DataFrame(variant["confusion"], species, species)
    recall = pd.Series(variant["recall"], species).sort_values()
    rows = []
    for name in recall.index[:count]:
        others = confusion.loc[name].drop(name).sort_values(ascending=False)
        taken = [f"{display_name(other)} ({n})" for other, n in others.items() if n][:3]
        rows.append(
            {
                "species": display_name(name),
                "recall, %": f"{100 * recall[name]:.0f}",
                "mistaken for (photos)": ", ".join(taken),
            }
        )
    return rows


def leakage_tests(leakage: dict[str, Any]) -> Rows:
    """Accuracy of each variant with and without a near-duplicate in train, and the test."""
    rows: dict[str, dict[str, str]] = {}
    for row in leakage["rows"]:
        column = f"{'with' if row['near_duplicate'] else 'without'} a near-duplicate, %"
        score = {"value": row["accuracy"], "low": row["low"], "high": row["high"]}
        rows.setdefault(row["variant"], {"variant": shown(row["variant"])})[column] = (
            percent_interval(score)
        )
    for test in leakage["tests"]:
        rows[test["variant"]] |= {
            "p": f"{test['p']:.2g}",
            "p, Holm": f"{test['p_holm']:.2g}",
            "verdict": test["verdict"],
        }
    return list(rows.values())
