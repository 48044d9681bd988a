"""What relatives of training photos do to the scores, from checkpoints/results/leakage.json."""

import json
from pathlib import Path
from typing import Any

from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportions_ztest

from trainer.report.scores import markdown, percent
from trainer.studies.conclusions import LEVEL

CORRECTED = "p after Holm's correction"
MISSING = "To be made by `python -m trainer.evaluate.leakage --data PHOTOS`."


def measured(checkpoints: Path) -> dict[str, Any] | None:
    """leakage.json, if it is there."""
    path = checkpoints / "results" / "leakage.json"
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
    chances = more_than_chance(found)
    rows = [
        {"variant": f"`{name}`"}
        | {f"{kind} a relative, %": percent(score) for kind, score in variant.items()}
        | {words: f"{p:.2g}" for words, p in chances.get(name, {}).items()}
        for name, variant in found["variants"].items()
    ]
    shares = ", ".join(
        f"{count:,} of {found['photos'][split]:,} {split} photos"
        for split, count in found["with_relative"].items()
    )
    kinds = {"copy": "of one shot", "same scene": "of one scene", "same file": "of the same bytes"}
    pairs = ", ".join(f"{count:,} {kinds[kind]}" for kind, count in found["pairs"].items())
    told = f"With a relative in train: {shares}. Pairs across splits: {pairs or 'none'}."
    return "\n\n".join([told, markdown(rows), *([verdict(found, chances)] if chances else [])])


def more_than_chance(found: dict[str, Any]) -> dict[str, dict[str, float]]:
    """By a two-proportion z-test, each variant's p that both kinds of photos are answered alike,
    and after Holm's correction over the variants; none where there are photos of one kind only."""
    both = {name: v for name, v in found["variants"].items() if len(v) == 2}
    photos = {"with": found["with_relative"]["test"]}
    photos["without"] = found["photos"]["test"] - photos["with"]
    chances = []
    for variant in both.values():
        right = [round(variant[kind]["value"] * count) for kind, count in photos.items()]
        alike = sum(right) in (0, sum(photos.values()))  # all right or none: the test divides by 0
        chances.append(1.0 if alike else proportions_ztest(right, list(photos.values()))[1])
    corrected = multipletests(chances, LEVEL, "holm")[1] if chances else []
    return {
        name: {"p": float(p), CORRECTED: float(p_holm)}
        for name, p, p_holm in zip(both, chances, corrected, strict=True)
    }


def verdict(found: dict[str, Any], chances: dict[str, dict[str, float]]) -> str:
    """Which variants are right more often with a relative, or less often, by more than chance."""

    def named(words: str, sign: int) -> str:
        scores = found["variants"]
        apart = [
            f"`{name}`"
            for name, p in chances.items()
            if p[words] < LEVEL
            and sign * (scores[name]["with"]["value"] - scores[name]["without"]["value"]) > 0
        ]
        return ", ".join(apart) or "none"

    said = [
        f"{how} often with a relative by more than chance (two-proportion z-test, {LEVEL:.0%}): "
        f"{named('p', sign)}; after Holm's correction over {len(chances)} variants: "
        f"{named(CORRECTED, sign)}."
        for how, sign in (("Right more", 1), ("Right less", -1))
        if sign > 0 or named("p", sign) != "none"
    ]
    return " ".join(said)


def published(checkpoints: Path) -> str:
    """What the audit finds wrong with the set as published, from published_set.json."""
    path = checkpoints / "results" / "published_set.json"
    if not path.exists():
        return "To be made by `python -m trainer.audit` of the published set."
    found = json.loads(path.read_text())
    same, borders, turned = found["near_duplicates"], found["borders"], found["upside_down"]
    photos = sum(found["photos"].values())
    bordered = [name for name, share in borders["species"].items() if share > 0.5]
    low, high = (f(borders["species"][name] for name in bordered) for f in (min, max))
    sides = turned["species"].values()
    rows = [
        {
            "fault": "near-duplicates across splits",
            "how much": f"{same['test_photos_with_one_in_train']:.0%} of test photos and "
            f"{same['val_photos_with_one_in_train']:.0%} of val photos have one in train",
            "what it does": "accuracy on test rewards photos learned by heart",
        },
        {
            "fault": "borders",
            "how much": f"{borders['photos']:,} photos, among them {low:.0%} to {high:.0%} of "
            f"those of {len(bordered)} species ({', '.join(bordered).replace('-', ' ')})",
            "what it does": "black corners give the species away",
        },
        {
            "fault": "upside down",
            "how much": f"{min(sides):.0%} to {max(sides):.0%} of the photos of the "
            f"{len(sides)} worst of {len(sides) + turned['further_species']} species "
            f"({turned['others_judged_wrongly']:.0%} seem so in upright ones)",
            "what it does": "photos that people take are not",
        },
        {
            "fault": "labels in doubt",
            "how much": f"{found['labels_in_doubt']} photos; {same['groups_across_species']} "
            "groups of near-duplicates lie in several species",
            "what it does": "a right answer counts as wrong",
        },
    ]
    return (
        f"{photos:,} photos of {found['species']} species, of which `--fix` leaves "
        f"{found['clean_photos']:,} clean ones:\n\n{markdown(rows)}"
    )
