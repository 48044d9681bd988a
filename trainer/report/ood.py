"""What the networks know of what they do not know, as tables and sentences of RESULTS.md."""

import json
from pathlib import Path
from statistics import fmean
from typing import Any

from trainer.checkpoint.reports import read_reports
from trainer.report.scores import markdown, percent

NOT_MEASURED = "To be made by `python -m trainer.evaluate.robustness --data PHOTOS`."
MISSING = "To be made by `python -m trainer.evaluate.ood --data PHOTOS --strangers FOLDER`."


def strangers(checkpoints: Path) -> str:
    """How well each variant tells its species from strangers, and the best beside the worst."""
    path = checkpoints / "results" / "ood.json"
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
    """Whether the intervals of the best and the worst variant against one kind overlap.

    No test: all variants score the same photos, and what each says of each photo is not kept.
    """
    order = sorted(variants, key=lambda name: variants[name][kind]["auroc"]["value"])
    worst, best = variants[order[0]][kind]["auroc"], variants[order[-1]][kind]["auroc"]
    said = f"Against {kind}, `{order[-1]}` is best ({percent(best)}), `{order[0]}` worst"
    verdict = (
        "the intervals do not overlap"
        if best["low"] > worst["high"]
        else "the intervals overlap, which leaves open whether they differ"
    )
    return f"{said} ({percent(worst)}): {verdict}."


def scores(checkpoints: Path) -> str:
    """What else could be taken for novelty: the area by each score, for each variant."""
    path = checkpoints / "results" / "ood.json"
    found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    if "scores" not in found:
        return MISSING
    kinds, variants = list(found["chosen_with"]), found["scores"]
    areas = {
        score: {
            name: {kind: variant[kind][score] for kind in kinds}
            for name, variant in variants.items()
        }
        for score in next(iter(variants.values()))[kinds[0]]
    }
    means = {
        score: {kind: fmean(by_kind[kind] for by_kind in by_variant.values()) for kind in kinds}
        for score, by_variant in areas.items()
    }
    rows = []
    for score in sorted(areas, key=lambda score: -sum(means[score].values())):
        columns = {f"`{name}`": by_kind for name, by_kind in areas[score].items()}
        columns["mean"] = means[score]
        rows.append(
            {"score": f"**{score}**" if score == "novelty" else score}
            | {
                name: " / ".join(f"{area:.1%}"[:-1] for area in by_kind.values())
                for name, by_kind in columns.items()
            }
        )
    photos = " and ".join(f"{count} of {kind}" for kind, count in found["chosen_with"].items())
    return "\n".join([f"AUROC in %, against {photos}, in this order:", "", markdown(rows)])


def robustness(checkpoints: Path) -> str:
    """How many poorer photos are still accepted, and answered rightly, for each variant."""
    path = checkpoints / "results" / "robustness.json"
    if not path.exists():
        return NOT_MEASURED
    found: dict[str, Any] = json.loads(path.read_text())
    rows = []
    for name, changes in found["variants"].items():
        row = {"variant": f"`{name}`"}
        for change in changes:
            shares = (f"{change[share]:.1%}"[:-1] for share in ("accepted", "accuracy"))
            row[_in_words(change)] = " / ".join(shares)
        rows.append(row)
    said = f"Accepted / answered rightly, % of {found['photos']} test photos:"
    return "\n".join([said, "", markdown(rows)])


def _in_words(change: dict[str, Any]) -> str:
    """What was done to photos, as a column's title."""
    if change["change"] == "none":
        return "as they are"
    return f"{change['degree']} px" if change["change"] == "side" else f"JPEG {change['degree']}"


def prediction_sets(checkpoints: Path) -> str:
    """How often the sets of species hold the bird of a test photo, and how large they are."""
    rows = []
    for name, report in read_reports(checkpoints).items():
        if "prediction_sets" not in report:
            return "To be made by `python -m trainer.checkpoint --data PHOTOS`."
        row = {"variant": f"`{name}`"}
        for level, held in report["prediction_sets"].items():
            promised = f"{100 * float(level):.0f}%"
            lowest = min(share for share in held["species_coverage"] if share is not None)
            species = report["species"][held["species_coverage"].index(lowest)].replace("-", " ")
            row[f"held, {promised} promised"] = f"{held['coverage']:.1%}"
            row[f"species in a set, {promised}"] = f"{held['size']:.2f}"
            row[f"least held species, {promised}"] = f"{species}, {lowest:.0%}"
        rows.append(row)
    return markdown(rows)
