"""The verdicts on explain.json: how faithful heatmaps are, and whether errors look elsewhere."""

from typing import Any

from trainer.verdicts.wording import code, interval

SHOWN = ("Grad-CAM", 3)  # the map of model.onnx, which the app shows
MAX_CORRELATION = 0.5  # with the map of randomised weights, of a map that depends on the weights


def conclude(found: dict[str, Any]) -> dict[str, Any]:
    """Judge each variant's maps, and all variants' together.

    found: what explain.json holds; its variants' methods, road and outer are read.

    Returns:
        found in which each variant has `verdict` ("faithful": gain and ROAD lie above 0 and the
        correlation with randomised weights below 0.5, each by its interval; else "unproven"),
        `looks_outside` (whether wrong predictions look more at the edges) and a sentence about its
        methods; and with the sentences `faithful` and `outside`.
    """
    for name, variant in found["variants"].items():
        shown = of_method(variant["methods"], *SHOWN)
        faithful = (
            shown["gain"]["low"] > 0
            and variant["road"]["low"] > 0
            and shown["rank_correlation"]["high"] < MAX_CORRELATION
        )
        variant["verdict"] = "faithful" if faithful else "unproven"
        variant["looks_outside"] = variant["outer"].get("wrong_less_right", {"low": 0})["low"] > 0
        variant["sentence"] = methods_sentence(name, variant["methods"])
    return found | {"faithful": faithful_sentence(found), "outside": outside_sentence(found)}


def of_method(rows: list[dict[str, Any]], method: str, stage: int) -> dict[str, Any]:
    """The row of one method at one stage."""
    return next(row for row in rows if (row["method"], row["stage"]) == (method, stage))


def methods_sentence(variant: str, rows: list[dict[str, Any]]) -> str:
    """The methods with the largest and smallest gain over a random map, in probability."""
    gains = {f"{row['method']} at stage {row['stage']}": row.get("gain") for row in rows}
    ranked = sorted(
        ((name, gain) for name, gain in gains.items() if gain),  # a random map gains nothing
        key=lambda item: item[1]["value"],
    )
    (worst, least), (best, most) = ranked[0], ranked[-1]
    return (
        f"Of {len(ranked)} heatmaps of `{variant}`, **{best}** is most faithful, with a gain of "
        f"{interval(most)} over a random map, and {worst} least, with {interval(least)} "
        "(insertion minus deletion, 95% interval)."
    )


def faithful_sentence(found: dict[str, Any]) -> str:
    """The variants whose maps pass all tests."""
    verdicts = {name: variant["verdict"] for name, variant in found["variants"].items()}
    passed = [name for name, verdict in verdicts.items() if verdict == "faithful"]
    failed = [name for name in verdicts if name not in passed]
    if not failed:
        return f"The heatmaps of all {len(passed)} variants are faithful: they pass every test."
    if not passed:
        return f"No variant's heatmaps pass every test of faithfulness: {code(failed)} fail one."
    return f"The heatmaps of {code(passed)} are faithful; those of {code(failed)} fail a test."


def outside_sentence(found: dict[str, Any]) -> str:
    """Whether wrong predictions look more at the photo's edges than correct ones do."""
    even, variants = found["even_outer_share"], found["variants"]
    more = [name for name, variant in variants.items() if variant["looks_outside"]]
    if not more:
        return "No variant looks more at the photo's edges in wrong predictions."
    who = "Every variant" if len(more) == len(variants) else code(more)
    look = "looks" if len(more) in (1, len(variants)) else "look"
    said = f"{who} {look} more at the photo's edges in wrong predictions than in correct ones"
    wrong = [
        variant["outer"]["wrong"] for variant in variants.values() if "wrong" in variant["outer"]
    ]
    if all(score["high"] < even for score in wrong):
        return f"{said}, but less than a uniform map would ({even:.0%})."
    return f"{said}; a uniform map has {even:.0%} there."
