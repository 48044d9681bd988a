"""The faults of the published set, from results/published_set.json."""

import json
from pathlib import Path
from typing import Any

from plumage.contract import RESULTS, display_name
from trainer.report.scores import Rows


def read(checkpoints: Path) -> dict[str, Any] | None:
    """The audit's counts of the published set; None where it was not run."""
    path = checkpoints / RESULTS / "published_set.json"
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def faults(found: dict[str, Any]) -> Rows:
    """Each kind of fault, how often the audit found it, and its effect."""
    same, borders, turned = found["near_duplicates"], found["borders"], found["upside_down"]
    bordered = [name for name, share in borders["species"].items() if share > 0.5]
    low, high = (f(borders["species"][name] for name in bordered) for f in (min, max))
    sides = turned["species"].values()
    return [
        {
            "fault": "near-duplicates across splits",
            "how much": f"{same['test_photos_with_one_in_train']:.0%} of test photos and "
            f"{same['val_photos_with_one_in_train']:.0%} of val photos have one in train",
            "effect": "test accuracy rewards memorised photos",
        },
        {
            "fault": "borders",
            "how much": f"{borders['photos']:,} photos, among them {low:.0%} to {high:.0%} of "
            f"those of {len(bordered)} species ({', '.join(map(display_name, bordered))})",
            "effect": "black corners identify the species",
        },
        {
            "fault": "upside down",
            "how much": f"{min(sides):.0%} to {max(sides):.0%} of the photos of the "
            f"{len(sides)} worst of {len(sides) + turned['further_species']} species "
            f"({turned['others_judged_wrongly']:.0%} seem so in upright ones)",
            "effect": "real photos are upright",
        },
        {
            "fault": "probable label errors",
            "how much": f"{found['labels_in_doubt']} photos; {same['groups_across_species']} "
            "groups of near-duplicates lie in several species",
            "effect": "correct answers count as wrong",
        },
    ]


def sentence(found: dict[str, Any]) -> str:
    """Numbers of photos in the set and in its clean part."""
    photos = sum(found["photos"].values())
    return (
        f"{photos:,} photos of {found['species']} species; the audit's clean copy keeps "
        f"{found['clean_photos']:,}."
    )
