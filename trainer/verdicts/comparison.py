"""The verdict on comparison.json: which variant is most accurate, and how certain that is."""

from typing import Any

from trainer.verdicts.wording import LEVEL, code, display_norm, percent


def conclude(found: dict[str, Any]) -> dict[str, Any]:
    """Add `lead` and `differ` to each pair, and the best variant, a verdict and a sentence.

    found: what comparison.json holds; its variants' accuracies and its pairs' `p_holm` are read.

    Returns:
        found with `best`, and `verdict`: "ahead" (of every other variant, significantly),
        "tied" (with those in `tied`) or "single" (there is one variant); and the sentences
        `sentence` and `calibration`.
    """
    for pair in found["pairs"]:
        pair["lead"] = (pair["only_a_right"] - pair["only_b_right"]) / found["photos"]
        pair["differ"] = pair["p_holm"] < LEVEL
    scores = {
        name: scores["accuracy"]["value"]
        for name, scores in found["variants"].items()
        if name in found["models"]
    }
    best = max(scores, key=scores.__getitem__)
    tied = [
        pair["b"] if pair["a"] == best else pair["a"]
        for pair in found["pairs"]
        if best in (pair["a"], pair["b"]) and not pair["differ"]
    ]
    verdict = "single" if len(scores) == 1 else "tied" if tied else "ahead"
    accuracy = f"{percent(scores[best])} of {found['photos']:,} test photos"
    if verdict == "single":
        sentence = f"{display_norm(best)} has {accuracy} right."
    else:
        sentence = f"{display_norm(best)} is most accurate: {accuracy}"
        sentence += (
            f". Its lead over {code(tied)} is not significant."
            if tied
            else ", significantly ahead of every other variant."
        )
    return (
        found
        | {"best": best, "tied": tied, "verdict": verdict, "sentence": sentence}
        | {"calibration": calibration_sentence(found)}
    )


def calibration_sentence(found: dict[str, Any]) -> str:
    """The range of calibration errors before and after temperature scaling."""
    errors = [found["variants"][name]["calibration_error"] for name in found["models"]]
    before, after = (sorted(error[key] for error in errors) for key in ("before", "after"))
    fell = all(error["after"] < error["before"] for error in errors)
    return (
        f"Temperature scaling {'lowers' if fell else 'changes'} the expected calibration error "
        f"of the variants from {percent(before[0])}-{percent(before[-1])} to {percent(after[0])}-"
        f"{percent(after[-1])}."
    )
