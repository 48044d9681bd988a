"""Rows of the tables on out-of-distribution photos, degraded photos and prediction sets."""

from collections.abc import Mapping
from statistics import fmean
from typing import Any

from plumage.contract import display_name
from trainer.report.scores import Rows, shown
from trainer.verdicts.wording import percent, percent_interval


def detection(ood: dict[str, Any], reports: Mapping[str, Mapping[str, Any]]) -> Rows:
    """AUROC and false acceptance rate of each variant for each kind of photos."""
    rows: dict[str, dict[str, str]] = {}
    for found in ood["rows"]:
        name, kind = found["variant"], found["kind"]
        if name not in reports:
            continue
        accepted = reports[name]["novelty"]["accepted"]["test"]
        row = rows.setdefault(
            name, {"variant": shown(name), "test photos accepted, %": percent(accepted)[:-1]}
        )
        score = {"value": found["auroc"], "low": found["low"], "high": found["high"]}
        row[f"AUROC, {kind}, %"] = percent_interval(score)
        row[f"{kind} accepted, %"] = percent(found["false_acceptance_rate"])[:-1]
    return list(rows.values())


def baselines(ood: dict[str, Any]) -> Rows:
    """AUROC of each OOD score for each variant, a number a kind, the best score first."""
    kinds = list(ood["tuned_with"])
    areas: dict[str, dict[str, dict[str, float]]] = {}
    for row in ood["scores"]:
        by_variant = areas.setdefault(row["score"], {})
        by_variant.setdefault(row["variant"], {})[row["kind"]] = row["auroc"]
    means = {
        score: {kind: fmean(area[kind] for area in by_variant.values()) for kind in kinds}
        for score, by_variant in areas.items()
    }
    rows = []
    for score in sorted(areas, key=lambda score: -sum(means[score].values())):
        columns = {shown(name): area for name, area in areas[score].items()}
        columns["mean"] = means[score]
        rows.append(
            {"score": f"**{score}**" if score == "novelty" else score}
            | {
                name: " / ".join(percent(area[kind])[:-1] for kind in kinds)
                for name, area in columns.items()
            }
        )
    return rows


def robustness(found: dict[str, Any]) -> Rows:
    """Accepted and accurate shares of degraded test photos for each variant."""
    rows: dict[str, dict[str, str]] = {}
    for row in found["rows"]:
        shares = (percent(row[share])[:-1] for share in ("accepted", "accuracy"))
        named = rows.setdefault(row["variant"], {"variant": shown(row["variant"])})
        named[_degradation(row)] = " / ".join(shares)
    return list(rows.values())


def small_birds(found: dict[str, Any]) -> Rows:
    """Right and accepted shares of photos of a distant bird for each variant and way to look."""
    rows: dict[tuple[str, str], dict[str, str]] = {}
    for row in found["small_birds"]:
        looks = " + ".join(row["looks"])
        named = rows.setdefault(
            (row["variant"], looks), {"variant": shown(row["variant"]), "looks": looks}
        )
        shares = (percent(row[share])[:-1] for share in ("accuracy", "right_and_accepted"))
        named[f"bird {row['degree']}% of the width"] = " / ".join(shares)
    return list(rows.values())


def looks(reports: Mapping[str, Mapping[str, Any]]) -> Rows:
    """Accuracy and acceptance of one look and of all looks on test photos for each variant."""
    return [
        {
            "variant": shown(name),
            "looks": " + ".join(report["looks"]["names"]),
            "accuracy, one look, %": percent_interval(report["metrics"]["test"]["accuracy"]),
            "accuracy, all looks, %": percent_interval(
                report["looks"]["metrics"]["test"]["accuracy"]
            ),
            "accepted, one look, %": percent(report["novelty"]["accepted"]["test"])[:-1],
            "accepted, all looks, %": percent(report["looks"]["accepted"]["test"])[:-1],
        }
        for name, report in reports.items()
        if report.get("looks")
    ]


def shown_sets(reports: Mapping[str, Mapping[str, Any]]) -> Rows:
    """Coverage of the sets that visitors see, for each variant."""
    rows = []
    for name, report in reports.items():
        if report.get("looks"):
            found = report["looks"]["shown_sets"]
            holds = "" if found["coverage"] is None else percent(found["coverage"])
            size = "" if found["size"] is None else f"{found['size']:.2f}"
            rows.append(
                {
                    "variant": shown(name),
                    "test photos that show a set": str(found["photos"]),
                    "holding the species": holds,
                    "species in it": size,
                }
            )
    return rows


def _degradation(row: Mapping[str, Any]) -> str:
    if row["change"] == "none":
        return "original"
    return f"{row['degree']} px" if row["change"] == "side" else f"JPEG {row['degree']}"


def prediction_sets(reports: Mapping[str, Mapping[str, Any]]) -> Rows:
    """Coverage and size of each variant's prediction sets, and the species of lowest coverage."""
    rows = []
    for name, report in reports.items():
        row = {"variant": shown(name)}
        for level, measured in report.get("prediction_sets", {}).items():
            words, coverage = f"{float(level):.0%}", measured["species_coverage"]
            lowest = min(share for share in coverage if share is not None)  # None: no photos
            species = report["species"][coverage.index(lowest)]
            row[f"coverage, {words} sets"] = percent(measured["coverage"])
            row[f"species in a set, {words}"] = f"{measured['size']:.2f}"
            row[f"lowest coverage, {words}"] = f"{display_name(species)}, {lowest:.0%}"
        rows.append(row)
    return rows
