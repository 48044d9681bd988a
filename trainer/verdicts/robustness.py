"""The verdict on robustness.json: from which degree on degraded photos cost accuracy."""

from statistics import fmean
from typing import Any

COSTLY = 0.05  # of accuracy, lost on average over the variants
WORDS = {"JPEG quality": "JPEG quality {} or less", "side": "{} px or less"}


def conclude(found: dict[str, Any]) -> dict[str, Any]:
    """Name the mildest degree of each change that costs more than 5 points on average.

    found: what robustness.json holds; its rows, mildest degree first, are read.

    Returns:
        found with `costly`, by change the degree or None, and a sentence.
    """
    whole = _mean(found, "none", 0)
    costly: dict[str, int | None] = {}
    for row in found["rows"]:
        change, degree = row["change"], row["degree"]
        if change == "none" or costly.setdefault(change, None) is not None:
            continue
        if whole - _mean(found, change, degree) > COSTLY:
            costly[change] = degree
    named = [WORDS[change].format(degree) for change, degree in costly.items() if degree]
    sentence = (
        f"Averaged over the variants, accuracy falls by more than {100 * COSTLY:.0f} points at "
        f"{' and at '.join(named)}."
        if named
        else f"No degradation costs more than {100 * COSTLY:.0f} points of accuracy on average."
    )
    return found | {"costly": costly, "sentence": sentence}


def _mean(found: dict[str, Any], change: str, degree: int) -> float:
    """Mean accuracy over the variants."""
    return fmean(
        row["accuracy"]
        for row in found["rows"]
        if (row["change"], row["degree"]) == (change, degree)
    )
