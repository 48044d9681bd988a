"""What was measured, from the files in checkpoints/ to tables.

Shares, such as accuracy, are in [0, 1]. A file that is absent gives an empty table; one that is
damaged raises ResultsError.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from plumage.contract import CONSENSUS, HISTORY, REPORT, RESULTS, STUDIES
from streamlit_app.inference.classifier import variant_folders
from streamlit_app.species import common_name

MORE_THAN_CHANCE = 0.05  # Holm's p below which two variants are said to differ
SHORT_COLUMNS = ["norm", "seed", "epoch", "split", "accuracy", "macro_f1", "seconds"]
NO_SHORT_RUNS = pd.DataFrame(
    columns=["variant", "seed", "epochs", "accuracy", "macro_f1", "minutes"]
)
Reports = Mapping[str, Mapping[str, Any]]
Comparison = Mapping[str, Any]


class ResultsError(ValueError):
    """Which file of results is damaged and how to make it anew, in one sentence."""


def read_reports(folder: Path) -> tuple[dict[str, Any], list[str]]:
    """The report of each variant in a checkpoints folder, by name, and what is wrong with others.

    The study's seven come first; a variant without a report is left out.
    """
    reports, faults = {}, []
    for path in variant_folders(folder):
        if (path / REPORT).is_file():
            try:
                reports[path.name] = _report(path / REPORT)
            except ResultsError as error:
                faults.append(str(error))
    return reports, faults


def read_measured(
    folder: Path, name: str, command: str, look_through: Callable[[Any], object]
) -> dict[str, Any] | None:
    """What a JSON file of a checkpoints folder holds; None where there is none.

    Raises ResultsError where it is damaged, that is where `look_through` fails on what it holds.
    command: what makes the file.
    """
    file = folder / RESULTS / name
    if not file.is_file():
        return None
    try:
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
        look_through(found)
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ResultsError(
            f"checkpoints/{RESULTS}/{name} is damaged: make it anew with {command}."
        ) from error
    return found


def read_comparison(folder: Path) -> dict[str, Any] | None:
    """Everything measured on the same photos for all variants; None where it was not yet."""

    def look_through(comparison: Any) -> None:
        count = len(comparison["species"])
        shapes = {np.shape(scores["confusion"]) for scores in comparison["variants"].values()}
        if shapes - {(count, count)} or "pairs" not in comparison:
            raise ValueError

    command = "`python -m trainer.evaluate.comparison --data PHOTOS`"
    return read_measured(folder, "comparison.json", command, look_through)


def read_histories(folder: Path, variants: Iterable[str]) -> pd.DataFrame:
    """One row a variant, epoch and split: its loss and scores in that epoch of its training."""
    tables = [pd.DataFrame(columns=["variant", "epoch", "split", "loss", "accuracy", "macro_f1"])]
    for name in variants:
        file = folder / name / HISTORY
        if file.is_file():
            advice = f"train {name} again or copy the file from where it was trained"
            tables.append(_table(file, ["epoch", "split", "loss"], advice).assign(variant=name))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def read_short_runs(folder: Path) -> pd.DataFrame:
    """One row a finished short run: variant, seed, epochs, minutes; accuracy, macro_f1 on test."""
    file = folder / RESULTS / STUDIES / "norms.csv"
    if not file.is_file():
        return NO_SHORT_RUNS
    history = _table(
        file, SHORT_COLUMNS, "make it anew with `python -m trainer.studies norms --data PHOTOS`"
    )
    # The test row's own epoch is the best one, whose weights were measured, not the last.
    spent = history.groupby(["norm", "seed"]).agg(
        epochs=("epoch", "max"), minutes=("seconds", "sum")
    )
    spent["minutes"] /= 60
    runs = history[history.split == "test"].join(spent, on=["norm", "seed"])
    return runs.rename(columns={"norm": "variant"})[NO_SHORT_RUNS.columns].reset_index(drop=True)


def summary(
    reports: Reports, short_runs: pd.DataFrame, comparison: Comparison | None
) -> pd.DataFrame:
    """One row a variant, and one for the consensus of several; NaN where nothing was measured.

    seeds, seeds_accuracy and seeds_deviation: how many short runs there are, their mean accuracy
    on test and its standard deviation. parameters, minutes of training: for the consensus, those of
    all variants. calibration_error: of the probabilities that the app shows.
    """
    compared = comparison["variants"] if comparison else {}
    rows = []
    for name in [*reports, *([CONSENSUS] if len(reports) > 1 and CONSENSUS in compared else [])]:
        # The consensus takes all of the variants.
        parts = [reports[name]] if name in reports else list(reports.values())
        measured = compared.get(name, {})
        metrics = reports[name]["metrics"] if name in reports else {"test": measured, "val": {}}
        seeds = short_runs.accuracy[short_runs.variant == name]
        rows.append(
            {
                "variant": name,
                **_score("test_accuracy", metrics["test"].get("accuracy", {})),
                **_score("val_accuracy", metrics["val"].get("accuracy", {})),
                "test_macro_f1": metrics["test"]["macro_f1"]["value"],
                "seeds": len(seeds),
                "seeds_accuracy": seeds.mean(),
                "seeds_deviation": seeds.std(),
                "parameters": sum(report["parameters"] for report in parts),
                "minutes": sum(report["seconds"] for report in parts) / 60,
                "milliseconds": measured.get("milliseconds", np.nan),
                "calibration_error": measured.get("calibration_error", {}).get("after", np.nan),
            }
        )
    return pd.DataFrame(rows)


def readable_summary(table: pd.DataFrame) -> pd.DataFrame:
    """The summary as people read it: percent, with intervals in brackets; no empty columns."""

    def percent(name: str) -> list[str]:
        low, high = table[f"{name}_low"], table[f"{name}_high"]
        return [
            "" if np.isnan(value) else f"{value:.1%} ({a:.1%} to {b:.1%})".replace("%", "")
            for value, a, b in zip(table[name], low, high, strict=True)
        ]

    shown = {
        "variant": table.variant,
        "accuracy on test, %": percent("test_accuracy"),
        "accuracy on val, %": percent("val_accuracy"),
        "macro F1 on test, %": table.test_macro_f1 * 100,
        "seeds on test, %": [_seeds(row) for row in table.itertuples()],
        "parameters": table.parameters,
        "training, min": table.minutes,
        "answer, ms": table.milliseconds,
        "calibration error, points": table.calibration_error * 100,
    }
    text = pd.DataFrame(shown)
    return text.loc[:, (text.notna() & (text != "")).any()]


def budget(reports: Reports) -> str:
    """How long and how large the full runs trained, as in: 16 epochs at 96 px."""
    recipes = [report["recipe"] for report in reports.values()]
    epochs, sizes = ([recipe[key] for recipe in recipes] for key in ("epochs", "image_size"))
    return f"{_range(epochs)} epochs at {_range(sizes)} px"


def machines(reports: Reports) -> str:
    """What the full runs were trained on, as in: trained on a GPU and a processor, by their names.

    Empty where no report says so.
    """
    found = [m for report in reports.values() for m in report.get("machines", ())]
    names = dict.fromkeys(machine.get("gpu", machine["processor"]) for machine in found)
    return f"trained on {in_words(list(names))}" if names else ""


def alike(reports: Reports) -> bool:
    """Whether all full runs trained as long and as large, so that only the norm differs."""
    recipes = [report["recipe"] for report in reports.values()]
    return len({(recipe["epochs"], recipe["image_size"]) for recipe in recipes}) == 1


def short_budget(short_runs: pd.DataFrame) -> str:
    """How many short runs there are and how long they trained, as in: 3 seeds a variant, ..."""
    seeds = _range(short_runs.groupby("variant").seed.count())
    minutes = short_runs.minutes.median()
    return (
        f"{seeds} seed{'' if seeds == '1' else 's'} a variant, {_range(short_runs.epochs)} epochs, "
        f"about {minutes:.0f} minutes each"
    )


def outdated(reports: Reports, comparison: Comparison) -> list[str]:
    """The variants that the comparison lacks or saw other weights of."""
    compared = comparison["variants"]
    one_photo = 1.01 / comparison["photos"]  # a batch of another size may tip one over
    return [
        name
        for name, report in reports.items()
        if name not in compared
        or abs(compared[name]["accuracy"]["value"] - report["metrics"]["test"]["accuracy"]["value"])
        > one_photo
    ]


def pair_tests(comparison: Comparison) -> pd.DataFrame:
    """One row a pair: McNemar's test of whether they answer equally many photos rightly.

    lead: the share of photos by which `a` is ahead of `b`. differ: whether it is more than chance.
    """
    columns = ["a", "b", "only_a_right", "only_b_right", "p", "p_holm"]
    table = pd.DataFrame(comparison["pairs"], columns=columns)
    lead = (table.only_a_right - table.only_b_right) / comparison["photos"]
    return table.assign(lead=lead, differ=table.p_holm < MORE_THAN_CHANCE)


def verdict(comparison: Comparison) -> str:
    """What the pairwise tests say about the best variant, in words."""
    pairs = pair_tests(comparison)
    if pairs.empty:
        return "With one variant there is nothing to compare."
    scores = {name: v["accuracy"]["value"] for name, v in comparison["variants"].items()}
    alone = {name: score for name, score in scores.items() if name != CONSENSUS}
    best = max(alone, key=alone.__getitem__)
    against = pairs[((pairs.a == best) | (pairs.b == best)) & ~pairs.differ]
    equals = [row.b if row.a == best else row.a for row in against.itertuples()]
    equals = [name for name in equals if name != CONSENSUS]
    count = f"{pairs.differ.sum()} of {len(pairs)} pairs differ by more than chance"
    if not equals:
        return f"{count}. `{best}` answers the most photos rightly, and its lead is no chance."
    names = in_words([f"`{name}`" for name in equals])
    return (
        f"{count}. `{best}` answers the most photos rightly, "
        f"but {names} cannot be told from it by these photos."
    )


def confusion(comparison: Comparison, variant: str) -> pd.DataFrame:
    """One row a true and an answered species: how many photos, and which share of the true's."""
    counts = np.array(comparison["variants"][variant]["confusion"])
    names = [common_name(name) for name in comparison["species"]]
    true, answered = np.meshgrid(range(len(names)), range(len(names)), indexing="ij")
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return pd.DataFrame(
        {
            "species": np.take(names, true.ravel()),
            "answered": np.take(names, answered.ravel()),
            "photos": counts.ravel(),
            "share": (counts / totals).ravel(),
            "right": (true == answered).ravel(),
        }
    )


def mistakes(table: pd.DataFrame, species: str | None = None) -> pd.DataFrame:
    """The wrong cells of a confusion table, most photos first; of one species where given."""
    wrong = table[~table.right & (table.photos > 0)]
    if species is not None:
        wrong = wrong[(wrong.species == species) | (wrong.answered == species)]
    return wrong.sort_values(["photos", "share"], ascending=False, ignore_index=True)


def species_scores(comparison: Comparison, variant: str) -> pd.DataFrame:
    """One row a species, hardest last: its recall and F1."""
    scores = comparison["variants"][variant]
    names = [common_name(name) for name in comparison["species"]]
    table = pd.DataFrame({"species": names, "recall": scores["recall"], "f1": scores["f1"]})
    return table.sort_values("f1", ascending=False, ignore_index=True)


def reliability(comparison: Comparison, variant: str) -> pd.DataFrame:
    """One row a bin of like probabilities: confidence, accuracy, photos."""
    bins = comparison["variants"][variant]["reliability"]
    return pd.DataFrame(bins, columns=["confidence", "accuracy", "photos"])


def calibration_errors(comparison: Comparison, variants: Iterable[str]) -> pd.DataFrame:
    """One row a variant: its calibration error before and after its temperature was fitted."""
    compared = comparison["variants"]
    return pd.DataFrame(
        [{"variant": name, **compared[name]["calibration_error"]} for name in variants]
    )


def in_words(names: list[str]) -> str:
    """Names as a sentence lists them: a, b and c."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _report(file: Path) -> dict[str, Any]:
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        for split in ("val", "test"):
            _score("", report["metrics"][split]["accuracy"])
        budget({file.parent.name: report})
    except (KeyError, TypeError, AttributeError, ValueError, RecursionError) as error:
        raise ResultsError(
            f"checkpoints/{file.parent.name}/report.json is damaged: train this variant again or "
            "copy the file from where it was trained."
        ) from error
    return report


def _table(file: Path, columns: list[str], advice: str) -> pd.DataFrame:
    try:
        table = pd.read_csv(file)
    except (ValueError, pd.errors.ParserError):
        table = pd.DataFrame()
    if not set(columns) <= set(table.columns):
        raise ResultsError(f"{file} is damaged: {advice}.")
    return table


def _score(name: str, score: Mapping[str, float]) -> dict[str, float]:
    parts = {"": "value", "_low": "low", "_high": "high"}
    return {name + suffix: score[part] if score else np.nan for suffix, part in parts.items()}


def _seeds(row: Any) -> str:
    if row.seeds == 0:
        return ""
    if row.seeds == 1:
        return f"{row.seeds_accuracy * 100:.1f} (1 seed)"
    return f"{row.seeds_accuracy * 100:.1f} ± {row.seeds_deviation * 100:.1f} ({row.seeds} seeds)"


def _range(numbers: Iterable[float]) -> str:
    low, high = min(numbers), max(numbers)
    return f"{low}" if low == high else f"{low} to {high}"
