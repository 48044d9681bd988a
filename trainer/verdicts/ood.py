"""The verdict on ood.json: which variant detects out-of-distribution photos best."""

from typing import Any

from trainer.verdicts.wording import percent_interval


def conclude(found: dict[str, Any]) -> dict[str, Any]:
    """Set the best variant's interval against the worst one's, for each kind of photos.

    No test: all variants score the same photos, and the single scores are not kept.

    found: what ood.json holds; its rows are read.

    Returns:
        found with `verdicts`, a row a kind: best, worst, verdict ("apart" where their intervals
        do not overlap, else "overlap") and sentence.
    """
    verdicts = []
    for kind in found["photos"]:
        rows = sorted(
            (row for row in found["rows"] if row["kind"] == kind), key=lambda row: row["auroc"]
        )
        worst, best = (
            row | {"score": {"value": row["auroc"], "low": row["low"], "high": row["high"]}}
            for row in (rows[0], rows[-1])
        )
        verdict = "apart" if best["low"] > worst["high"] else "overlap"
        said = {
            "apart": "the intervals do not overlap",
            "overlap": "the intervals overlap, so the order is open",
        }[verdict]
        verdicts.append(
            {
                "kind": kind,
                "best": best["variant"],
                "worst": worst["variant"],
                "verdict": verdict,
                "sentence": f"Against photos of {kind}, `{best['variant']}` is best with an AUROC "
                f"of {percent_interval(best['score'])}% and `{worst['variant']}` worst with "
                f"{percent_interval(worst['score'])}%: {said}. `{best['variant']}` still accepts "
                f"{best['false_acceptance_rate']:.0%} of them.",
            }
        )
    return found | {"verdicts": verdicts}
