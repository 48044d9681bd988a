"""What RESULTS.md says of heatmaps, from checkpoints/results/explain.json."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from trainer.report.scores import markdown, percent

MISSING = "To be made by `python -m trainer.explain --data PHOTOS`."
SHOWN = ("Grad-CAM", 3)  # the map of model.onnx, which the app shows


def measured(checkpoints: Path) -> dict[str, Any] | None:
    """explain.json, if it is there."""
    path = checkpoints / "results" / "explain.json"
    return json.loads(path.read_text()) if path.exists() else None


def of_method(rows: list[dict[str, Any]], method: str, stage: int) -> dict[str, Any]:
    """The measures of one method at one stage."""
    return next(r for r in rows if (r["method"], r["stage"]) == (method, stage))


def number(score: dict[str, float]) -> str:
    """A measure with its 95% interval: 0.31 (0.28 to 0.34)."""
    return f"{score['value']:.2f} ({score['low']:.2f} to {score['high']:.2f})"


def trust(checkpoints: Path) -> str:
    """The shown map of each variant: measures, and which can be trusted."""
    result = measured(checkpoints)
    if result is None:
        return MISSING
    rows = []
    for name, variant in result["variants"].items():
        shown = of_method(variant["methods"], *SHOWN)
        rows.append(
            {
                "variant": f"`{name}`",
                "photos": str(variant["photos"]),
                "deletion": number(shown["deletion"]),
                "insertion": number(shown["insertion"]),
                "gain over a random map": number(shown["advantage"]),
                "ROAD": number(variant["road"]),
                "likeness with weights shuffled": number(shown["likeness"]),
            }
        )
    trusted = [f"`{name}`" for name, v in result["variants"].items() if v["trusted"]]
    rest = [f"`{name}`" for name, v in result["variants"].items() if not v["trusted"]]
    lines = []
    if trusted:
        lines.append(
            f"The heatmaps of {', '.join(trusted)} can be trusted: what they mark matters to the "
            "answer more than chance does, by both measures, and is gone with the weights."
        )
    if rest:
        lines.append(f"Those of {', '.join(rest)} fail at least one of these tests.")
    return f"{' '.join(lines)}\n\n{markdown(rows)}"


def methods(checkpoints: Path) -> str:
    """Each method's gain over a random map at each stage, the mean over variants."""
    result = measured(checkpoints)
    if result is None:
        return MISSING
    variants = list(result["variants"].values())
    rows: dict[str, dict[str, str]] = {}
    for found in variants[0]["methods"]:
        if "advantage" in found:
            method, stage = found["method"], found["stage"]
            gains = [of_method(v["methods"], method, stage)["advantage"]["value"] for v in variants]
            row = rows.setdefault(method, {"method": method})
            row[f"stage {stage}"] = f"{sum(gains) / len(gains):+.2f}"
    return markdown(list(rows.values()))


def background(checkpoints: Path) -> str:
    """How much of the shown map lies at the photo's rim, for right and for wrong answers."""
    result = measured(checkpoints)
    if result is None:
        return MISSING
    rows, more = [], []
    for name, variant in result["variants"].items():
        outer = variant["outer"]
        rows.append(
            {"variant": f"`{name}`"}
            | {f"{k}, %": percent(outer[k]) if k in outer else "" for k in ("right", "wrong")}
            | {
                "difference, points": percent(outer["wrong_less_right"])
                if "wrong_less_right" in outer
                else ""
            }
        )
        if outer.get("wrong_less_right", {"low": 0})["low"] > 0:
            more.append(f"`{name}`")
    even = result["even_outer_share"]
    wrong = [v["outer"]["wrong"] for v in result["variants"].values() if "wrong" in v["outer"]]
    if more:
        said = (
            f"With wrong answers {', '.join(more)} look at the rim more than with right ones; an "
            f"even map has {even:.0%} there"
        )
        said += ", so even then mostly at the middle." if below(wrong, even) else "."
    else:
        said = (
            "No variant looks at the rim more with wrong answers than with right ones; an even map "
            f"has {even:.0%} there."
        )
    return f"{said}\n\n{markdown(rows)}"


def confused(checkpoints: Path) -> str:
    """What each of the gallery's species was taken for, over all variants."""
    result = measured(checkpoints)
    if result is None:
        return MISSING
    variants = list(result["variants"].values())
    rows = []
    for species in variants[0]["confusion"]:
        taken: Counter[str] = Counter()
        for variant in variants:
            taken.update(variant["confusion"].get(species, {}))
        photos, right = taken.total(), taken.pop(species, 0)
        named = [f"{name.replace('-', ' ')} ({n})" for name, n in taken.most_common(3)]
        rows.append(
            {
                "species": species.replace("-", " "),
                "recall, %": f"{100 * right / photos:.0f}",
                "taken for (answers)": ", ".join(named),
            }
        )
    return markdown(rows)


def below(shares: list[dict[str, float]], limit: float) -> bool:
    """Whether all of these shares lie below a limit by more than chance."""
    return all(share["high"] < limit for share in shares)
