"""Scores of all variants: their table, their training, and the charts.

Shares, such as accuracy, are in [0, 1].
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import altair as alt
import numpy as np
import pandas as pd

from plumage.contract import CONSENSUS, HISTORY, RESULTS, STUDIES
from streamlit_app.results.charts import (
    BAR,
    OTHER,
    SHAPES,
    kind_colours,
    legend_below,
    marks_with_intervals,
    name_axis,
    name_colours,
    share_axis,
    share_tooltips,
    styled,
)
from streamlit_app.results.comparison import Comparison
from streamlit_app.results.reading import (
    Reports,
    command,
    join_words,
    read_reports,
    read_table,
)

SHORT_COLUMNS = ["norm", "seed", "epoch", "split", "accuracy", "macro_f1", "seconds"]
NO_SHORT_RUNS = pd.DataFrame(
    columns=["variant", "seed", "epochs", "accuracy", "macro_f1", "minutes"]
)
Variant = TypeVar("Variant")


def rank_variants(variants: Mapping[str, Variant], folder: Path) -> dict[str, Variant]:
    """The variants by name, the most accurate on val photos first, the others in their order.

    folder: of the checkpoints, with their reports; a variant without one leads no other.
    """
    reports, _ = read_reports(folder)

    def accuracy(name: str) -> float:
        return reports[name]["metrics"]["val"]["accuracy"]["value"] if name in reports else 0.0

    best = max(variants, key=accuracy)
    return {best: variants[best], **variants}


def read_histories(folder: Path, variants: Iterable[str]) -> pd.DataFrame:
    """One row a variant, epoch and split: its loss and scores in that epoch of its training."""
    tables = [pd.DataFrame(columns=["variant", "epoch", "split", "loss", "accuracy", "macro_f1"])]
    for name in variants:
        file = folder / name / HISTORY
        if file.is_file():
            advice = f"train {name} again or copy the file from where it was trained"
            tables.append(read_table(file, ["epoch", "split", "loss"], advice).assign(variant=name))
    return pd.concat(tables[1:] or tables, ignore_index=True)


def read_short_runs(folder: Path) -> pd.DataFrame:
    """One row a finished short run: variant, seed, epochs, minutes; accuracy, macro_f1 on test."""
    file = folder / RESULTS / STUDIES / "norms.csv"
    if not file.is_file():
        return NO_SHORT_RUNS
    history = read_table(
        file, SHORT_COLUMNS, f"remake it with {command('trainer.studies norms', folder)}"
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


def photos_used(reports: Reports, split: str) -> str:
    """The number of photos of a split that the variants used, as in: 900, or 900 to 1,200."""
    counts = [report["photos"][split]["count"] for report in reports.values()]
    return " to ".join(f"{count:,}" for count in sorted({min(counts), max(counts)}))


def budget(reports: Reports) -> str:
    """Length and resolution of the full runs, as in: 16 epochs at 96 px."""
    recipes = [report["recipe"] for report in reports.values()]
    epochs, sizes = ([recipe[key] for recipe in recipes] for key in ("epochs", "image_size"))
    return f"{_range(epochs)} epochs at {_range(sizes)} px"


def machines(reports: Reports) -> str:
    """The machines of the full runs, as in: trained on a GPU and a processor, by their names.

    Empty where no report says so.
    """
    found = [m for report in reports.values() for m in report.get("machines", ())]
    names = dict.fromkeys(machine.get("gpu", machine["processor"]) for machine in found)
    return f"trained on {join_words(list(names))}" if names else ""


def same_budget(reports: Reports) -> bool:
    """Whether all full runs trained as long and as large, so that only the norm differs."""
    recipes = [report["recipe"] for report in reports.values()]
    return len({(recipe["epochs"], recipe["image_size"]) for recipe in recipes}) == 1


def short_budget(short_runs: pd.DataFrame) -> str:
    """Number and length of the short runs, as in: 3 seeds a variant, ..."""
    seeds = _range(short_runs.groupby("variant").seed.count())
    minutes = short_runs.minutes.median()
    return (
        f"{seeds} seed{'' if seeds == '1' else 's'} a variant, {_range(short_runs.epochs)} epochs, "
        f"about {minutes:.0f} minutes each"
    )


def accuracy_intervals(
    summary: pd.DataFrame, short_runs: pd.DataFrame, photos: str
) -> alt.LayerChart:
    """Each variant's accuracy on test with its interval, and those of its short runs.

    summary, short_runs: as streamlit_app.results.scores makes them. photos: how many were answered.
    """
    full, short = "full run, with its 95% interval", "short runs, one mark a seed"
    order = summary.sort_values("test_accuracy", ascending=False)["variant"].tolist()
    short_runs = short_runs[short_runs["variant"].isin(order)]
    y = alt.Y("variant:N", sort=order, title=None, axis=name_axis())
    title = f"accuracy on {photos} test photos"
    kinds = {full: BAR} | ({short: OTHER} if len(short_runs) else {})
    whole = alt.Chart(summary.assign(run=full)).encode(
        y=y,
        color=kind_colours("run", kinds, columns=1),
        tooltip=[
            "variant",
            *share_tooltips("test_accuracy", "test_accuracy_low", "test_accuracy_high"),
        ],
    )
    seeds = alt.Chart(short_runs.assign(run=short)).encode(
        y=y,
        x=share_axis("accuracy", title),
        color=kind_colours("run", kinds, columns=1),
        tooltip=["variant:N", "seed:Q", *share_tooltips("accuracy"), "epochs:Q"],
    )
    layers = marks_with_intervals(
        whole,
        "test_accuracy",
        "test_accuracy_low",
        "test_accuracy_high",
        lambda field: share_axis(field, title),
    )
    if len(short_runs):
        layers.insert(0, seeds.mark_tick(thickness=3, height=16, opacity=1))
    return styled(alt.layer(*layers), "Accuracy of each variant", alt.Step(32))


def learning_curves(histories: pd.DataFrame, split: str, measure: str) -> alt.LayerChart:
    """One line a variant over the epochs of its training; a name clicked in the legend stands out.

    histories: as streamlit_app.results.scores.read_histories makes them. split: train or val.
    measure: accuracy, macro_f1 or loss.
    """
    names = list(dict.fromkeys(histories["variant"]))
    share = measure != "loss"
    words = {"accuracy": "accuracy", "macro_f1": "macro F1", "loss": "cross-entropy, nats"}
    # One scale for train and val, which stand side by side.
    domain = [0, 1] if share else [0, histories["loss"].max()]
    shapes = [SHAPES[place % len(SHAPES)] for place in range(len(names))]
    legend = legend_below(columns=4)
    alone = alt.selection_point(fields=["variant"], bind="legend")
    lines = alt.Chart(histories[histories["split"] == split]).encode(
        x=alt.X("epoch:Q", title="epoch", axis=alt.Axis(format="d", tickMinStep=1, grid=False)),
        y=alt.Y(
            f"{measure}:Q",
            title=words[measure],
            scale=alt.Scale(domain=domain),
            axis=alt.Axis(format=".0%" if share else ".1f"),
        ),
        color=name_colours("variant", names, columns=4),
        opacity=alt.when(alone).then(alt.value(1)).otherwise(alt.value(0.1)),
        tooltip=[
            "variant:N",
            "epoch:Q",
            alt.Tooltip(f"{measure}:Q", title=words[measure], format=".1%" if share else ".3f"),
        ],
    )
    points = lines.mark_point(filled=True, size=50).encode(
        shape=alt.Shape(
            "variant:N", scale=alt.Scale(domain=names, range=shapes), sort=None, legend=legend
        )
    )
    chart = alt.layer(lines.mark_line(), points.add_params(alone))
    return styled(chart, f"Learning: {split} photos", 320)


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
