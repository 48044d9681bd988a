"""Conclusions of the studies: a few sentences each, derived from the runs.

Every accuracy is of val after a run's last epoch, for `norms` of test with the weights that are
best on val. A study that is not complete claims nothing.
"""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import pandas as pd
from scipy import stats

from trainer.studies.spread import (
    LEVEL,
    POWER,
    Cells,
    best_of,
    cells_of,
    chosen,
    judge,
    lead,
    percent,
    points,
    spread_between,
    summed_up,
)
from trainer.studies.study import final_scores, settings

REPORT = Path(__file__).with_name("report_studies.csv")
AT_CHANCE = 0.01  # a network has learned where guessing would be as good this rarely
Facts = dict[str, Any]


def report_of(study: str) -> pd.DataFrame:
    """The course report's figures for a study."""
    report = pd.read_csv(REPORT, keep_default_na=False)
    return report[report.study == study]


def norms_answer(table: pd.DataFrame, facts: Facts) -> str:
    """The best norm, and the verdict on the report's best and worst."""
    cells = cells_of(final_scores(table, "test"), ["norm"])
    best, rival, verdict = lead(cells)
    spread = spread_between(cells)
    claims = []
    for norm, sign, place in (("bin", 1, "best"), ("nn", -1, "worst")):
        others = {key: values for key, values in cells.items() if key != norm}
        if norm not in cells or not others:
            continue
        other = (max if sign > 0 else min)(others, key=lambda key: fmean(others[key]))
        difference = sign * (fmean(cells[norm]) - fmean(others[other]))
        runs = [len(cells[norm]), len(others[other])]
        judged = judge(difference, spread, runs, len(cells))
        claims.append(judged.on_claim(f"that `{norm}` is {place}"))
    built_in = ""
    if {"bn", "torch-bn"} <= cells.keys():
        difference = fmean(cells["bn"]) - fmean(cells["torch-bn"])
        judged = judge(difference, spread, [len(cells["bn"]), len(cells["torch-bn"])])
        built_in = f" `bn` is {points(difference)} points from `torch-bn` ({judged.words})."
    return (
        f"`{best}` is best with {summed_up(cells[best])} on test, "
        f"{points(fmean(cells[best]) - fmean(cells[rival]))} points from the next, `{rival}` "
        f"({verdict.words}). The report's claim {' and its claim '.join(claims)}.{built_in}"
    )


def learning_rate_answer(table: pd.DataFrame, facts: Facts) -> str:
    """The best rate of each norm."""
    cells = cells_of(final_scores(table), ["norm", "peak_learning_rate"])
    best: dict[str, tuple[float, float]] = {}
    for (norm, rate), values in cells.items():
        best[norm] = max(best.get(norm, (-1.0, 0.0)), (fmean(values), rate))
    told = [
        f"`{norm}` at {rate:g} ({percent(accuracy)})"
        for norm, (accuracy, rate) in sorted(best.items(), key=lambda item: -item[1][0])
    ]
    return f"Best on val are {', '.join(told)}, single runs each."


def optimizers_answer(table: pd.DataFrame, facts: Facts) -> str:
    """Whether momentum 0.9 at 0.002 is best of SGD, and Adam best of all, as the report found."""
    every = cells_of(final_scores(table), ["optimizer_name", "schedule", "peak_learning_rate"])
    own = {cell: values for cell, values in every.items() if cell[1] == "constant"}
    places = chosen({cell: values for cell, values in every.items() if cell not in own})
    cells = {name: every[cell] for name, cell in places.items()}
    best, rival, verdict = lead(cells)
    spread = spread_between(every)
    _, schedule, rate = places[best]
    told = (
        f"`{best}` at {rate:g}, {schedule}, is best with {summed_up(cells[best])} on val, "
        f"{points(fmean(cells[best]) - fmean(cells[rival]))} points from the next, `{rival}` "
        f"({verdict.words})"
    )
    claims = []
    if "Adam" in cells and len(cells) > 1:
        others = {name: values for name, values in cells.items() if name != "Adam"}
        other = best_of(others)
        difference = fmean(cells["Adam"]) - fmean(others[other])
        runs = [len(cells["Adam"]), len(others[other])]
        claims.append(judge(difference, spread, runs, len(cells)).on_claim("that `Adam` is best"))
    choice = report_of("optimizers").iloc[0]
    reports = own.get((choice.setting, "constant", float(choice.learning_rate)))
    sgd = {name: values for name, values in cells.items() if name.startswith("SGD")}
    if reports and sgd:
        rival = best_of(sgd)
        difference = fmean(reports) - fmean(sgd[rival])
        judged = judge(difference, spread, [len(reports), len(sgd[rival])], len(sgd) + 1)
        claims.append(
            judged.on_claim(
                f"that `{choice.setting}` at {float(choice.learning_rate):g} is the best of SGD"
            )
            + f" ({summed_up(reports)}, {points(difference)} points from `{rival}`)"
        )
    return f"{told}. The report's claim {' and its claim '.join(claims)}."


def batch_size_answer(table: pd.DataFrame, facts: Facts) -> str:
    """Whether `bn` loses more than `gn` in the smallest batches, as Wu and He 2018 found."""
    runs, base = final_scores(table), facts["recipe"]["batch_size"]
    runs = runs[runs.equal.isin(["epochs", "both"])]
    every = cells_of(runs, ["norm", "batch_size", "peak_learning_rate"])
    named = {(cell[:2], *cell[2:]): values for cell, values in every.items()}
    cells = {name: named[cell] for name, cell in chosen(named).items()}
    spread = spread_between(every)
    losses, verdicts = [], []
    for size in sorted(size for norm, size in cells if norm == "bn" and size != base):
        four = [("bn", base), ("bn", size), ("gn", base), ("gn", size)]
        if not set(four) <= cells.keys():
            continue
        means = [fmean(cells[cell]) for cell in four]
        bn, gn = means[1] - means[0], means[3] - means[2]
        verdict = judge(gn - bn, spread, [len(cells[cell]) for cell in four])
        verdicts.append(verdict)
        losses.append(
            f"to {size} `bn` changes by {points(bn)} points and `gn` by {points(gn)} "
            f"({verdict.words})"
        )
    if not verdicts:
        return "Too many runs of `bn` and `gn` diverged for an answer."
    claim = (
        "The claim of Wu and He 2018 and the report, that small batches cost `bn` more than `gn`,"
    )
    return f"{verdicts[0].on_claim(claim)}: from batch {base} {'; '.join(losses)}."


def feature_quantiles_answer(table: pd.DataFrame, facts: Facts) -> str:
    """The norms whose largest features change by the largest and by the smallest factor."""
    growth = growths(table)
    if len(growth) < 2:
        return "Too many runs diverged for an answer."
    growth = dict(sorted(growth.items(), key=lambda item: -fmean(item[1])))
    (most, *_, least), middle = growth, {norm: fmean(values) for norm, values in growth.items()}
    p = spread_between(growth).p(
        middle[most] - middle[least], [len(growth[most]), len(growth[least])], len(growth)
    )
    said = f"{'significant' if p < LEVEL else 'not significant'}, p = {p:.2g}"
    return (
        "From the first epoch to the last, the 99th percentile of the features changes by a factor "
        f"of {factor(growth[most]):.2f} with `{most}`, the largest, and of "
        f"{factor(growth[least]):.2f} with `{least}`, the smallest (geometric means of the runs, "
        f"{said}); the report has no figures on this."
    )


def factor(logarithms: Sequence[float]) -> float:
    """The geometric mean of factors, given their logarithms."""
    return math.exp(fmean(logarithms))


def growths(table: pd.DataFrame) -> Cells:
    """Logarithm of the last 99th percentile over the first one, of each run, by norm."""
    found: Cells = {}
    watched = table[table.split == "val"]
    for values, run in watched.groupby(settings(table), sort=False):
        first, last = run.percentile_99.iloc[0], run.percentile_99.iloc[-1]
        if first > 0 and last > 0 and math.isfinite(last):
            norm = values[settings(table).index("norm")]
            found.setdefault(norm, []).append(math.log(last / first))
    return found


def above_chance(accuracy: float, facts: Facts) -> bool:
    """Whether a network is better than guessing, by a binomial test; one that diverged is not."""
    if math.isnan(accuracy):
        return False
    photos = facts["val_photos"]
    test = stats.binomtest(
        round(accuracy * photos), photos, 1 / facts["species"], alternative="greater"
    )
    return test.pvalue < AT_CHANCE


def depth_answer(table: pd.DataFrame, facts: Facts) -> str:
    """The depth from which on most networks without a norm learn nothing, whatever the rate."""
    runs = final_scores(table)
    without = runs[runs.norm == "nn"]
    trains = without.accuracy.map(lambda accuracy: above_chance(accuracy, facts))
    depths = sorted(without.n.unique())
    most = trains.groupby([without.n, without.peak_learning_rate]).mean() > 0.5
    stopped = [n for n in depths if not most[n].any()]
    n = stopped[0] if stopped else depths[-1]
    cells = cells_of(runs[runs.n == n], ["norm", "peak_learning_rate"])
    best = {norm: cells[cell] for norm, cell in chosen(cells).items()}
    others = {norm: values for norm, values in best.items() if norm != "nn"}
    name = best_of(others) if others else ""
    layers = f"n = {n} ({6 * n + 2} layers)"
    if stopped:
        few, count = int(trains[without.n == n].sum()), int((without.n == n).sum())
        return (
            f"Without a norm training stops at {layers}: {few or 'none'} of {count} runs there "
            f"{'is' if few < 2 else 'are'} better than guessing"
            f"{f', where `{name}` reaches {summed_up(others[name])}' if name else ''}."
        )
    words = f"Without a norm networks of up to {layers} still train"
    if "nn" not in best or not name:
        return f"{words}."
    every = {
        cell: values
        for cell, values in cells_of(runs, ["norm", "n", "peak_learning_rate"]).items()
        if above_chance(fmean(values), facts)
    }
    difference = fmean(best["nn"]) - fmean(others[name])
    judged = judge(difference, spread_between(every), [len(best["nn"]), len(others[name])], 3)
    return (
        f"{words}: there `nn` reaches {summed_up(best['nn'])}, {points(difference)} points from "
        f"`{name}` with {summed_up(others[name])} ({judged.words})."
    )


ANSWERS: dict[str, Callable[[pd.DataFrame, Facts], str]] = {
    "norms": norms_answer,
    "optimizers": optimizers_answer,
    "batch-size": batch_size_answer,
    "depth": depth_answer,
    "feature-quantiles": feature_quantiles_answer,
    "learning-rate": learning_rate_answer,
}


def answer(name: str, table: pd.DataFrame, facts: Facts) -> str:
    """A study's conclusion in a few sentences; its progress while it is incomplete."""
    if facts["done"] < facts["planned"]:
        runs = final_scores(table, "test" if name == "norms" else "val")
        best = runs.accuracy.max()
        so_far = "" if math.isnan(best) else f" The highest accuracy so far is {percent(best)}."
        return (
            f"No answer yet: {facts['done']} of at least {facts['planned']} runs are done.{so_far}"
        )
    return ANSWERS[name](table, facts)


def size_sentence(facts: Facts) -> str:
    """Number, machines and size of a study's runs, and how they are chosen, in sentences."""
    recipe = facts["recipe"]
    each = recipe["photos_per_species"]
    photos = f"{each} training photos of each species" if each else "all training photos"
    names = dict.fromkeys(m.get("gpu", m["processor"]) for m in facts["machines"])
    done, planned = facts["done"], facts["planned"]
    count = f"all {done}" if done == planned else f"{done} of at least {planned}"
    return (
        f"{count[0].upper()}{count[1:]} runs are done, on {', '.join(names)}. Unless varied, a run "
        f"has {recipe['image_size']} px, {photos}, {recipe['epochs']} epochs and batches of "
        f"{recipe['batch_size']}. {facts['rule']}"
    )


def smallest_visible(name: str, table: pd.DataFrame) -> str:
    """The spread between seeds, and the smallest difference of two settings that it reveals."""
    runs = final_scores(table, "test" if name == "norms" else "val")
    keys = [key for key in settings(table) if key != "seed"]
    cells = {key: values for key, values in cells_of(runs, keys).items() if len(values) > 1}
    if not cells:
        return "Each setting has one run so far, so the variation between seeds is unknown."
    spread, count = spread_between(cells), max(map(len, cells.values()))
    return (
        f"Between seeds the standard deviation is {points(spread.deviation, '')} points (pooled "
        f"over {len(cells)} settings). With {count} runs of each, a difference of "
        f"{points(spread.visible([count, count]), '')} points between two settings chosen "
        f"beforehand is detected in {POWER:.0%} of cases."
    )
