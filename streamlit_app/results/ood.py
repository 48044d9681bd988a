"""How well the variants know what they do not know, from the files in checkpoints/ to tables.

Shares are in [0, 1]. A stranger is a photo of none of the species; its kind is what it shows, such
as other birds. A promise is how often a set of species is to hold the bird.
"""

from pathlib import Path
from typing import Any

import pandas as pd

from streamlit_app.results.scores import Reports, read_measured
from streamlit_app.species import common_name

STRANGERS = "`python -m trainer.evaluate.ood --data PHOTOS --strangers FOLDER`"
SETS = "`python -m trainer.checkpoint --data PHOTOS`"
Strangers = dict[str, Any]


def read_strangers(folder: Path) -> Strangers | None:
    """What was measured with strangers; None where nothing was; raises ResultsError."""

    def look_through(found: Strangers) -> None:
        sum(found["photos"].values())
        against_strangers(found)
        by_score(found)

    return read_measured(folder, "ood.json", STRANGERS, look_through)


def against_strangers(found: Strangers) -> pd.DataFrame:
    """One row a variant and kind: auroc, low, high (its 95% interval) and accepted.

    auroc: how often a stranger looks stranger than a test photo. accepted: the share of strangers
    that are taken for one of the species.
    """
    rows = [
        {
            "variant": name,
            "kind": kind,
            "auroc": float(measured["auroc"]["value"]),
            "low": float(measured["auroc"]["low"]),
            "high": float(measured["auroc"]["high"]),
            "accepted": float(measured["falsely_accepted"]),
        }
        for name, kinds in found["variants"].items()
        for kind, measured in kinds.items()
    ]
    table = pd.DataFrame(rows, columns=["variant", "kind", "auroc", "low", "high", "accepted"])
    order = table.groupby("variant").auroc.transform("mean")
    return table.iloc[(-order).argsort(kind="stable")].reset_index(drop=True)


def by_score(found: Strangers) -> pd.DataFrame:
    """One row a score of strangeness that was compared, variant and kind: its auroc, best first."""
    rows = [
        {"score": score, "variant": name, "kind": kind, "auroc": float(area)}
        for name, kinds in found.get("scores", {}).items()
        for kind, scores in kinds.items()
        for score, area in scores.items()
    ]
    table = pd.DataFrame(rows, columns=["score", "variant", "kind", "auroc"])
    order = table.groupby("score").auroc.transform("mean")
    return table.iloc[(-order).argsort(kind="stable")].reset_index(drop=True)


def prediction_sets(reports: Reports) -> pd.DataFrame:
    """One row a variant and promise: how often the set of a test photo holds its bird.

    held, size: over all photos, size in species; least_held, least_size: over those of `species`,
    whose bird is held least often. A variant without sets is left out.
    """
    rows = []
    for name, report in reports.items():
        for promise, measured in report.get("prediction_sets", {}).items():
            held = measured["species_coverage"]  # None for a species without photos
            least = held.index(min(share for share in held if share is not None))
            rows.append(
                {
                    "variant": name,
                    "promise": float(promise),
                    "held": measured["coverage"],
                    "size": measured["size"],
                    "species": common_name(report["species"][least]),
                    "least_held": held[least],
                    "least_size": measured["species_size"][least],
                }
            )
    columns = ["variant", "promise", "held", "size", "species", "least_held", "least_size"]
    return pd.DataFrame(rows, columns=columns)


def readable_strangers(table: pd.DataFrame, reports: Reports) -> pd.DataFrame:
    """A row a variant of `against_strangers`, as people read it; in percent where it says so."""
    rows: dict[str, dict[str, Any]] = {}
    for found in table.itertuples():
        name = str(found.variant)
        row = rows.setdefault(name, {"variant": name})
        row[f"AUROC, {found.kind}"] = f"{found.auroc:.3f} ({found.low:.3f} to {found.high:.3f})"
        row[f"{found.kind} accepted, %"] = 100 * found.accepted
    for name, row in rows.items():
        accepted = reports.get(name, {}).get("novelty", {}).get("accepted", {})
        row["test photos accepted, %"] = 100 * accepted.get("test", float("nan"))
    return pd.DataFrame(rows.values())


def readable_sets(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of `prediction_sets` as people read them."""
    return pd.DataFrame(
        {
            "variant": table.variant,
            "promised, %": table.promise * 100,
            "held, %": table.held * 100,
            "species in a set": table["size"],
            "held least": table.species,
            "of it held, %": table.least_held * 100,
            "in its sets": table.least_size,
        }
    )
