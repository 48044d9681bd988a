"""What the networks know of what they do not know, as tables and sentences of RESULTS.md."""

import json
from pathlib import Path
from typing import Any

from trainer.checkpoint import read_reports
from trainer.results import markdown, percent

MISSING = "To be made by `python -m trainer.strangers --data PHOTOS --strangers FOLDER`."


def strangers(checkpoints: Path) -> str:
    """How well each variant tells its species from strangers, and whether they differ."""
    path = checkpoints / "strangers.json"
    if not path.exists():
        return MISSING
    found: dict[str, Any] = json.loads(path.read_text())
    reports = read_reports(checkpoints)
    rows = []
    for name, variant in found["variants"].items():
        accepted = reports[name]["novelty"]["accepted"]["test"]
        row = {"variant": f"`{name}`", "test photos accepted, %": f"{accepted:.1%}"[:-1]}
        for kind, value in variant.items():
            row[f"AUROC, {kind}, %"] = percent(value["auroc"])
            row[f"{kind} accepted, %"] = f"{value['falsely_accepted']:.1%}"[:-1]
        rows.append(row)
    photos = " and ".join(f"{count} of {kind}" for kind, count in found["photos"].items())
    lines = [f"Measured with {photos}.", "", markdown(rows), ""]
    lines += [f"- {matters(found['variants'], kind)}" for kind in found["photos"]]
    return "\n".join(lines)


def matters(variants: dict[str, Any], kind: str) -> str:
    """Whether the variants differ: the best and the worst variant's intervals against one kind."""
    order = sorted(variants, key=lambda name: variants[name][kind]["auroc"]["value"])
    worst, best = variants[order[0]][kind]["auroc"], variants[order[-1]][kind]["auroc"]
    said = f"Against {kind}, `{order[-1]}` is best ({percent(best)}), `{order[0]}` worst"
    verdict = (
        "the intervals do not meet, so these two networks differ by more than chance"
        if best["low"] > worst["high"]
        else "the intervals meet: no difference is shown"
    )
    return f"{said} ({percent(worst)}): {verdict}."


def prediction_sets(checkpoints: Path) -> str:
    """How often the sets of species hold the bird of a test photo, and how large they are."""
    rows = []
    for name, report in read_reports(checkpoints).items():
        if "prediction_sets" not in report:
            return "To be made by `python -m trainer.export_again --data PHOTOS`."
        row = {"variant": f"`{name}`"}
        for level, held in report["prediction_sets"].items():
            promised = f"{100 * float(level):.0f}%"
            lowest = min(held["species_coverage"])
            species = report["species"][held["species_coverage"].index(lowest)].replace("-", " ")
            row[f"held, {promised} promised"] = f"{held['coverage']:.1%}"
            row[f"species in a set, {promised}"] = f"{held['size']:.2f}"
            row[f"least held species, {promised}"] = f"{species}, {lowest:.0%}"
        rows.append(row)
    return markdown(rows)
