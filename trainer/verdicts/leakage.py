"""The verdict on leakage.json: whether near-duplicates in train inflate test accuracy."""

from typing import Any

from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest

from trainer.verdicts.wording import LEVEL, percent


def conclude(found: dict[str, Any]) -> dict[str, Any]:
    """Test each variant's accuracy with a near-duplicate against that without, and say it.

    A two-proportion z-test, with Holm's correction over the variants (`p`, `p_holm`).

    found: what leakage.json holds; its photos, with_near_duplicate and rows are read.

    Returns:
        found with `tests`, a row a variant with `verdict` "inflated", "deflated" or
        "no difference"; `verdict`: "inflated" where any variant's is, else "no difference";
        "not measured" where there are photos of one kind only.
    """
    photos = {True: found["with_near_duplicate"]["test"]}
    photos[False] = found["photos"]["test"] - photos[True]
    both: dict[str, dict[bool, float]] = {}
    for row in found["rows"]:
        both.setdefault(row["variant"], {})[row["near_duplicate"]] = row["accuracy"]
    both = {name: scores for name, scores in both.items() if len(scores) == 2}
    chances = [_p(scores, photos) for scores in both.values()]
    corrected = multipletests(chances, LEVEL, "holm")[1] if chances else []
    tests = []
    for (name, scores), p, p_holm in zip(both.items(), chances, corrected, strict=True):
        verdict = "no difference"
        if p_holm < LEVEL:
            verdict = "inflated" if scores[True] > scores[False] else "deflated"
        tests.append({"variant": name, "p": p, "p_holm": float(p_holm), "verdict": verdict})
    count, total = photos[True], found["photos"]["test"]
    sentence = f"{count:,} of {total:,} test photos ({count / total:.0%}) have a near-duplicate in "
    if not both:
        verdict, sentence = "not measured", f"{sentence}train."
    else:
        inflated = [row["variant"] for row in tests if row["verdict"] == "inflated"]
        verdict = "inflated" if inflated else "no difference"
        best = max(both, key=lambda name: both[name][False])
        sentence += (
            f"train. `{best}` scores {percent(both[best][True])} on them and "
            f"{percent(both[best][False])} on the rest; the difference is significant for "
            f"{len(inflated)} of {len(both)} variants."
        )
    return found | {"tests": tests, "verdict": verdict, "sentence": sentence}


def _p(scores: dict[bool, float], photos: dict[bool, int]) -> float:
    """The p that photos of both kinds are answered alike."""
    right = [round(scores[kind] * count) for kind, count in photos.items()]
    if sum(right) in (0, sum(photos.values())):  # all right or none: the test divides by 0
        return 1.0
    return float(proportions_ztest(right, list(photos.values()))[1])
