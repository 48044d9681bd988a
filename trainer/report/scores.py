"""What the runs show, as the tables and sentences of README.md, RESULTS.md and the model card.

Every function turns files of checkpoints/ into Markdown; where a file is missing, it says which
command makes it.
"""

import json
from pathlib import Path
from typing import Any

import pandas as pd
from scipy import stats

from trainer.checkpoint.reports import read_reports
from trainer.evaluate.comparison import CONSENSUS
from trainer.studies.conclusions import LEVEL

REPORT = Path(__file__).with_name("report.csv")

Comparison = dict[str, Any]


def markdown(rows: list[dict[str, str]]) -> str:
    """Rows of text as a Markdown table."""
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True)


def percent(score: dict[str, float]) -> str:
    """A score in percent with its 95% interval: 86.1 (84.3 to 87.8)."""
    return f"{score['value']:.1%} ({score['low']:.1%} to {score['high']:.1%})".replace("%", "")


def comparison(checkpoints: Path) -> Comparison | None:
    """comparison.json, if it is there."""
    path = checkpoints / "results" / "comparison.json"
    return json.loads(path.read_text()) if path.exists() else None


MISSING = "To be made by `python -m trainer.evaluate.comparison --data PHOTOS`."
SHARED_CLOCK = (
    "Minutes are by the clock of a machine that did other work, too: they do not compare norms; "
    "the times of a training step in benchmarks/README.md do."
)


def scores(checkpoints: Path) -> str:
    """What each shipped variant scores, by its report.json."""
    rows = []
    for name, report in read_reports(checkpoints).items():
        test, recipe = report["metrics"]["test"], report["recipe"]
        rows.append(
            {
                "variant": f"`{name}`",
                "test accuracy, %": percent(test["accuracy"]),
                "test macro F1, %": percent(test["macro_f1"]),
                "val accuracy, %": percent(report["metrics"]["val"]["accuracy"]),
                "pixels": str(recipe["image_size"]),
                "epochs": str(recipe["epochs"]),
                "parameters": f"{report['parameters']:,}",
                "minutes of training": f"{report['seconds'] / 60:.0f}",
                "on": ", then ".join(m.get("gpu", m["processor"]) for m in report["machines"]),
            }
        )
    return f"{markdown(rows)}\n\n{SHARED_CLOCK}"


def all_splits(checkpoints: Path) -> str:
    """Accuracy, micro F1 and macro F1 of each variant on each split."""
    rows = [
        {"variant": f"`{name}`", "split": split}
        | {f"{score.replace('_', ' ')}, %": percent(value) for score, value in metrics.items()}
        for name, report in read_reports(checkpoints).items()
        for split, metrics in report["metrics"].items()
    ]
    return markdown(rows).replace(" f1", " F1")


def beside_the_report(checkpoints: Path) -> str:
    """Test accuracy in the course report and here."""
    ours = read_reports(checkpoints)
    rows = []
    for row in pd.read_csv(REPORT, keep_default_na=False).to_dict("records"):
        here = ours.get(row["variant"])
        rows.append(
            {
                "variant": f"`{row['variant']}`",
                "the report's test accuracy, %": f"{row['test_accuracy']:.1%}"[:-1],
                "its macro F1, %": f"{row['test_macro_f1']:.1%}"[:-1],
                "our test accuracy, %": percent(here["metrics"]["test"]["accuracy"])
                if here
                else "",
                "our macro F1, %": percent(here["metrics"]["test"]["macro_f1"]) if here else "",
            }
        )
    return markdown(rows)


def significant(result: Comparison) -> list[str]:
    """Pairs of variants whose answers differ by more than chance, better one first."""
    found = []
    for pair in result["pairs"]:
        if pair["p_holm"] < LEVEL:
            a, b = pair["a"], pair["b"]
            if pair["only_b_right"] > pair["only_a_right"]:
                a, b = b, a
            found.append(f"`{a}` over `{b}`")
    return found


def pairs(checkpoints: Path) -> str:
    """McNemar's tests, the smallest p first."""
    result = comparison(checkpoints)
    if result is None:
        return MISSING
    rows = [
        {
            "variants": f"`{pair['a']}`, `{pair['b']}`",
            "only the first right": str(pair["only_a_right"]),
            "only the second right": str(pair["only_b_right"]),
            "p": f"{pair['p']:.2g}",
            "p after Holm's correction": f"{pair['p_holm']:.2g}",
        }
        for pair in sorted(result["pairs"], key=lambda pair: pair["p"])
    ]
    return markdown(rows) if rows else "There is one variant only."


def calibration(checkpoints: Path) -> str:
    """Expected calibration error before and after, and milliseconds to answer."""
    result = comparison(checkpoints)
    if result is None:
        return MISSING
    rows = []
    for name, variant in result["variants"].items():
        error = variant["calibration_error"]
        rows.append(
            {
                "variant": name if name == CONSENSUS else f"`{name}`",
                "test accuracy, %": percent(variant["accuracy"]),
                "calibration error before, %": f"{100 * error['before']:.1f}",
                "after, %": f"{100 * error['after']:.1f}",
                "ms for a photo": f"{variant['milliseconds']:.1f}",
            }
        )
    return markdown(rows)


def hardest(checkpoints: Path, count: int = 8) -> str:
    """The species that the best single variant finds hardest, and what it takes them for."""
    result = comparison(checkpoints)
    if result is None:
        return MISSING
    singles = {name: v for name, v in result["variants"].items() if name != CONSENSUS}
    best = max(singles, key=lambda name: singles[name]["accuracy"]["value"])
    confusion = pd.DataFrame(singles[best]["confusion"], result["species"], result["species"])
    recall = pd.Series(singles[best]["recall"], result["species"]).sort_values()
    rows = []
    for species in recall.index[:count]:
        others = confusion.loc[species].drop(species).sort_values(ascending=False)
        taken = [f"{name.replace('-', ' ')} ({n})" for name, n in others.items() if n][:3]
        rows.append(
            {
                "species": species.replace("-", " "),
                "recall, %": f"{100 * recall[species]:.0f}",
                "taken for (photos)": ", ".join(taken),
            }
        )
    return f"By `{best}`, of {confusion.iloc[0].sum()} test photos each:\n\n{markdown(rows)}"


def conclusion(checkpoints: Path) -> str:
    """What the numbers say, in sentences."""
    lines, reports = [], read_reports(checkpoints)
    accuracies = {
        name: report["metrics"]["test"]["accuracy"]["value"] for name, report in reports.items()
    }
    best = max(accuracies, key=accuracies.__getitem__)
    lines.append(f"Of the shipped networks `{best}` is right most often: {accuracies[best]:.1%}.")
    budgets = {
        (report["recipe"]["image_size"], report["recipe"]["epochs"]) for report in reports.values()
    }
    if len(budgets) > 1:
        lines.append(
            "The shipped networks were not all trained for as many epochs at as many pixels: "
            "between such, a difference is not one of the norms."
        )
    if result := comparison(checkpoints):
        found, tested = significant(result), len(result["pairs"])
        if tested:
            named = f": {', '.join(found)}" if found else ""
            lines.append(
                f"Of {tested} pairs, {len(found)} differ by more than chance (McNemar's test, "
                f"Holm's correction, {LEVEL:.0%}){named}."
            )
        sanity = result["sanity"]
        lines.append(
            f"From the same weights and on the same batches the losses of `bn` and `torch-bn` "
            f"differ by at most {sanity['largest_difference']:.1g} in {sanity['steps']} steps: the "
            f"networks compute in float64, the loss itself in float32, which hides what is smaller."
        )
    norms = checkpoints / "results" / "studies" / "norms.json"
    if norms.exists():
        lines.append(f"Trained alike with several seeds: {json.loads(norms.read_text())['answer']}")
    theirs = pd.read_csv(REPORT).set_index("variant").test_accuracy
    both = [name for name in theirs.index if name in accuracies]
    if len(both) > 2:
        rank = stats.spearmanr([theirs[n] for n in both], [accuracies[n] for n in both])
        shown = "is shown" if rank.pvalue < LEVEL and rank.statistic > 0 else "is not shown"
        lines.append(
            f"That the order of the {len(both)} variants agrees with the report's {shown}: their "
            f"rank correlation (Spearman) is {rank.statistic:.2f}, p = {rank.pvalue:.2g}."
        )
    return "\n".join(f"- {line}" for line in lines)
