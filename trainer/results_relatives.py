"""What relatives of training photos do to the scores, from checkpoints/relatives.json."""

import json
from pathlib import Path
from typing import Any

from trainer.results import markdown, percent

MISSING = "To be made by `python -m trainer.relatives --data PHOTOS`."


def measured(checkpoints: Path) -> dict[str, Any] | None:
    """relatives.json, if it is there."""
    path = checkpoints / "relatives.json"
    return json.loads(path.read_text()) if path.exists() else None


def in_short(checkpoints: Path) -> str:
    """How many test photos have a relative in train, and the best variant on both kinds."""
    found = measured(checkpoints)
    if found is None:
        return MISSING
    count, photos = found["with_relative"]["test"], found["photos"]["test"]
    said = f"{count:,} of {photos:,} test photos ({count / photos:.0%}) have a relative in train"
    both = {name: v for name, v in found["variants"].items() if len(v) == 2}
    if not both:
        return f"{said}."
    best = max(both, key=lambda name: both[name]["without"]["value"])
    scores = {kind: percent(both[best][kind]) for kind in ("with", "without")}
    return (
        f"{said}: `{best}` is right on {scores['with']}% of those and on {scores['without']}% of "
        "the others."
    )


def table(checkpoints: Path) -> str:
    """Accuracy of each variant on test photos with and without a relative in train."""
    found = measured(checkpoints)
    if found is None:
        return MISSING
    rows = [
        {"variant": f"`{name}`"}
        | {f"{kind} a relative, %": percent(score) for kind, score in variant.items()}
        for name, variant in found["variants"].items()
    ]
    shares = ", ".join(
        f"{count:,} of {found['photos'][split]:,} {split} photos"
        for split, count in found["with_relative"].items()
    )
    kinds = {"copy": "of one shot", "same scene": "of one scene", "same file": "of the same bytes"}
    pairs = ", ".join(f"{count:,} {kinds[kind]}" for kind, count in found["pairs"].items())
    apart = [
        f"`{name}`"
        for name, variant in found["variants"].items()
        if len(variant) == 2 and variant["with"]["low"] > variant["without"]["high"]
    ]
    verdict = (
        f"Right more often with a relative, by more than the intervals: {', '.join(apart)}."
        if apart
        else "No variant's intervals lie apart."
    )
    told = f"With a relative in train: {shares}. Pairs across splits: {pairs or 'none'}."
    return "\n\n".join([told, markdown(rows), verdict])
