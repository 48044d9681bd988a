"""Rows of the tables on heatmaps."""

from collections import Counter
from statistics import fmean
from typing import Any

from plumage.contract import display_name
from trainer.report.scores import Rows, shown
from trainer.verdicts.explain import SHOWN, of_method
from trainer.verdicts.wording import interval, percent_interval


def faithfulness(found: dict[str, Any]) -> Rows:
    """The measures of each variant's shown map."""
    rows = []
    for name, variant in found["variants"].items():
        measures = of_method(variant["methods"], *SHOWN)
        rows.append(
            {
                "variant": shown(name),
                "photos": str(variant["photos"]),
                "deletion": interval(measures["deletion"]),
                "insertion": interval(measures["insertion"]),
                "gain over a random map": interval(measures["gain"]),
                "ROAD": interval(variant["road"]),
                "correlation with randomised weights": interval(measures["rank_correlation"]),
                "verdict": variant["verdict"],
            }
        )
    return rows


def methods(found: dict[str, Any]) -> Rows:
    """The gain of each method over a random map at each stage, the mean over variants."""
    variants = list(found["variants"].values())
    rows: dict[str, dict[str, str]] = {}
    for row in variants[0]["methods"]:
        if "gain" in row:
            method, stage = row["method"], row["stage"]
            gains = [of_method(v["methods"], method, stage)["gain"]["value"] for v in variants]
            named = rows.setdefault(method, {"method": method})
            named[f"stage {stage}"] = f"{fmean(gains):+.2f}"
    return list(rows.values())


def outside(found: dict[str, Any]) -> Rows:
    """The share of each variant's map at the photo's edges, by correct and wrong predictions."""
    kinds = {"right": "correct, %", "wrong": "wrong, %", "wrong_less_right": "difference, points"}
    return [
        {"variant": shown(name)}
        | {
            words: percent_interval(variant["outer"][kind]) if kind in variant["outer"] else ""
            for kind, words in kinds.items()
        }
        for name, variant in found["variants"].items()
    ]


def confused(found: dict[str, Any]) -> Rows:
    """The mistakes for each of the gallery's species, over all variants."""
    variants = list(found["variants"].values())
    rows = []
    for species in variants[0]["confusion"]:
        taken: Counter[str] = Counter()
        for variant in variants:
            taken.update(variant["confusion"].get(species, {}))
        photos, right = taken.total(), taken.pop(species, 0)
        named = [f"{display_name(name)} ({n})" for name, n in taken.most_common(3)]
        rows.append(
            {
                "species": display_name(species),
                "recall, %": f"{100 * right / photos:.0f}",
                "mistaken for (answers)": ", ".join(named),
            }
        )
    return rows
