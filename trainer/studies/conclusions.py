"""What the studies show: one sentence each, derived from the runs.

Every accuracy is of val after a run's last epoch. With single runs nothing is said about chance;
with more, Welch's t-test compares the runs of two settings. Where the two were looked out among
several, p is corrected over all pairs among which they were (Holm 1979).
"""

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from statsmodels.stats.multitest import multipletests

REPORT = Path(__file__).with_name("report_studies.csv")
LEVEL = 0.05
AT_CHANCE = 0.01  # a network has learned where guessing would be as good this rarely
UNKNOWN = "with a single run a setting, how much of it is chance is not known"
NOT_ENOUGH = "Not enough runs yet."
Facts = dict[str, Any]


def settings(table: pd.DataFrame) -> list[str]:
    """The columns of a study's table that say which run a row is of."""
    return list(table)[: list(table).index("epoch")]


def endings(table: pd.DataFrame) -> pd.DataFrame:
    """One row a run: its settings and its accuracy on val at the end, NaN where it diverged."""
    rows = []
    for values, run in table.groupby(settings(table), sort=False, dropna=False):
        diverged = run[run.split == "train"].loss.isna().any()
        accuracy = math.nan if diverged else run[run.split == "val"].accuracy.iloc[-1]
        rows.append(dict(zip(settings(table), values, strict=True)) | {"accuracy": accuracy})
    return pd.DataFrame(rows)


def welch(a: Sequence[float], b: Sequence[float]) -> float:
    """The p of Welch's t-test of two settings' runs; NaN where one has fewer than two.

    Runs that all end alike have no spread to hold a difference against: p is then 1 or 0.
    """
    if min(len(a), len(b)) < 2:
        return math.nan
    if np.ptp(a) == np.ptp(b) == 0:
        return float(fmean(a) == fmean(b))
    both = [number for runs in (a, b) for number in (fmean(runs), stdev(runs), len(runs))]
    return float(stats.ttest_ind_from_stats(*both, equal_var=False).pvalue)


def holm(pairs: Mapping[Any, tuple[Sequence[float], Sequence[float]]]) -> dict[Any, float]:
    """The p of Welch's t-test of each of these pairs after Holm's correction over all of them.

    Where one of a pair has fewer than two runs, p is NaN, and the pair does not count.
    """
    chances = {key: welch(*pair) for key, pair in pairs.items()}
    tested = [key for key, p in chances.items() if not math.isnan(p)]
    if tested:
        corrected = multipletests([chances[key] for key in tested], LEVEL, "holm")[1]
        chances |= dict(zip(tested, map(float, corrected), strict=True))
    return chances


def chance(key: Any, chances: Mapping[Any, float]) -> str:
    """What one of the p of `holm` says, in words."""
    p, count = chances[key], sum(not math.isnan(p) for p in chances.values())
    if math.isnan(p):
        return UNKNOWN
    correction = f" with Holm's correction over {count} pairs" if count > 1 else ""
    said = "more than chance" if p < LEVEL else "no difference shown"
    return f"{said}, Welch's t-test{correction}, p = {p:.2g}"


def against(
    own: Mapping[Any, Sequence[float]], others: Mapping[Any, Sequence[float]]
) -> dict[Any, float]:
    """The p of `holm` of each of these settings against each of the others, by both settings."""
    return holm({(a, b): (own[a], others[b]) for a, b in itertools.product(own, others) if a != b})


def each_other(groups: Mapping[Any, Sequence[float]]) -> dict[Any, float]:
    """The p of `holm` of each two settings, by both in the order given."""
    return holm({(a, b): (groups[a], groups[b]) for a, b in itertools.combinations(groups, 2)})


def percent(share: float) -> str:
    """A share in percent with one decimal."""
    return f"{100 * share:.1f}%"


def points(share: float) -> str:
    """A difference of shares in percentage points, signed."""
    return f"{100 * share:+.1f}"


def optimizers_answer(table: pd.DataFrame, facts: Facts) -> str:
    """Whether momentum 0.9 at 0.002 is best of SGD, and Adam best of all, as the report found."""
    runs = endings(table)
    cells = cells_of(runs[runs.schedule == "constant"], ["optimizer_name", "peak_learning_rate"])
    sgd = {cell: values for cell, values in cells.items() if cell[0].startswith("SGD")}
    adam = {cell: values for cell, values in cells.items() if cell[0] == "Adam"}
    others = {cell: values for cell, values in cells.items() if cell[0] != "Adam"}
    choice = report_of("optimizers").iloc[0]
    reports = (choice.setting, float(choice.learning_rate))
    tried = runs[runs.optimizer_name.str.startswith("SGD")].groupby("optimizer_name")
    if len(tried) < 2 or reports not in sgd or not adam:
        return NOT_ENOUGH
    best, adams, rival = best_of(sgd), best_of(adam), best_of(others)
    told = f"`{best[0]}` at {best[1]:g} has {percent(fmean(sgd[best]))} on val"
    of_sgd = "holds"
    if best != reports:
        chances = against(sgd, {reports: sgd[reports]})
        of_sgd = "does not hold" if chances[best, reports] < LEVEL else "is not shown"
        told += (
            f", {points(fmean(sgd[best]) - fmean(sgd[reports]))} points from the report's choice "
            f"({chance((best, reports), chances)})"
        )
    lead, chances = fmean(adam[adams]) - fmean(others[rival]), against(adam, others)
    of_adam = "is not shown"
    if chances[adams, rival] < LEVEL:
        of_adam = "holds" if lead > 0 else "does not hold"
    return (
        f"That `{reports[0]}` at {reports[1]:g} is the best of SGD {of_sgd}, and that `Adam` is "
        f"the best of all {of_adam}: {told}; `Adam` at its best rate, {adams[1]:g}, has "
        f"{percent(fmean(adam[adams]))}, {points(lead)} points from the best of the others, "
        f"`{rival[0]}` at {rival[1]:g} ({chance((adams, rival), chances)})."
    )


def report_of(study: str) -> pd.DataFrame:
    """The course report's figures for a study."""
    report = pd.read_csv(REPORT, keep_default_na=False)
    return report[report.study == study]


def cells_of(runs: pd.DataFrame, keys: list[str]) -> dict[Any, list[float]]:
    """The accuracies of each setting's runs; a setting of which a run diverged is left out."""
    groups = {key: group.accuracy for key, group in runs.groupby(keys)}
    return {key: values.tolist() for key, values in groups.items() if values.notna().all()}


def best_of(cells: dict[Any, list[float]]) -> Any:
    """The setting with the highest mean."""
    return max(cells, key=lambda cell: fmean(cells[cell]))


WAYS = [(equal, rate) for equal in ("epochs", "steps") for rate in ("scaled", "not scaled")]


def changes_with_size(runs: pd.DataFrame, size: int) -> pd.DataFrame:
    """One row a norm, way and seed: by how much val differs from the same seed's at batch 32.

    A run that diverged, and one without a partner, is left out.
    """
    base = runs[runs.equal == "both"].set_index(["norm", "seed"]).accuracy
    other = runs[runs.batch_size == size].join(base.rename("base"), on=["norm", "seed"])
    other["change"] = other.accuracy - other.base
    return other.dropna(subset="change")[["norm", "equal", "rate", "seed", "change"]]


def batch_size_answer(table: pd.DataFrame, facts: Facts) -> str:
    """Whether `bn` loses more than `gn` in small batches, as Wu and He 2018 found.

    Tested is one number a seed, its mean change over the four ways to compare.
    """
    runs, both = endings(table), ["bn", "gn"]
    small, base = runs.batch_size.min(), facts["recipe"]["batch_size"]
    changes = changes_with_size(runs, small).set_index(["norm", "seed"])
    counts = changes.groupby(level=["norm", "seed"]).change.count()
    changes = changes.loc[counts[counts == len(WAYS)].index]  # of whole seeds only
    asked = runs.norm.isin(both) & runs.batch_size.isin([small, base])
    lost = int((asked & runs.accuracy.isna()).sum())
    if small == base or not set(both) <= set(changes.index.get_level_values("norm")):
        return f"{lost} runs of `bn` and `gn` diverged: too few are left." if lost else NOT_ENOUGH
    whole = changes.groupby(level=["norm", "seed"]).change.mean()
    bn, gn = whole["bn"].tolist(), whole["gn"].tolist()
    told = (
        f"from batch {base} to {small} `bn` changes by {points(fmean(bn))} points and `gn` by "
        f"{points(fmean(gn))}, on average over equal epochs and steps, the rate scaled and not"
    )
    if lost:
        told += f"; seeds of {lost} runs that diverged are left out"
    if math.isnan(p := welch(bn, gn)):
        return f"{told[0].upper()}{told[1:]}; {UNKNOWN}."
    if p >= LEVEL:
        verdict = "That small batches cost `bn` more than `gn`, or less, is not shown"
    elif fmean(bn) < fmean(gn):
        verdict = "`bn` loses more than `gn` in small batches, as Wu and He 2018 found"
    else:
        verdict = "`gn` loses more than `bn` in small batches, against Wu and He 2018"
    return f"{verdict}: {told} (Welch's t-test of the seeds' averages, p = {p:.2g})."


def feature_quantiles_answer(table: pd.DataFrame, facts: Facts) -> str:
    """For which norm the largest features grow most, and least."""
    growth = growths(table)
    if len(growth) < 2:
        return NOT_ENOUGH
    growth = dict(sorted(growth.items(), key=lambda item: -fmean(item[1])))
    (most, *_, least), middle = growth, {norm: fmean(values) for norm, values in growth.items()}
    return (
        f"From the first epoch to the last, the 99th percentile of the features grows most with "
        f"`{most}`, to {np.exp(middle[most]):.2f} times, and least with `{least}`, to "
        f"{np.exp(middle[least]):.2f} times ({chance((most, least), each_other(growth))})."
    )


def growths(table: pd.DataFrame) -> dict[str, list[float]]:
    """Logarithms of how many times larger each run's 99th percentile is at the end, by norm."""
    found: dict[str, list[float]] = {}
    watched = table[table.split == "val"]
    for values, run in watched.groupby(settings(table), sort=False):
        first, last = run.percentile_99.iloc[0], run.percentile_99.iloc[-1]
        if first > 0 and last > 0 and math.isfinite(last):
            norm = values[settings(table).index("norm")]
            found.setdefault(norm, []).append(math.log(last / first))
    return found


def learned(accuracy: float, facts: Facts) -> bool:
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
    runs = endings(table)
    without = runs[runs.norm == "nn"]
    if without.empty:
        return NOT_ENOUGH
    trains = without.accuracy.map(lambda accuracy: learned(accuracy, facts))
    of_depth = {n: trains[without.n == n] for n in sorted(without.n.unique())}
    most = trains.groupby([without.n, without.peak_learning_rate]).mean() > 0.5
    stopped = [n for n in of_depth if not most[n].any()]
    if stopped:
        n = stopped[0]
        others = runs[(runs.norm != "nn") & (runs.n == n) & runs.accuracy.notna()]
        reach = f", where the others reach up to {percent(others.accuracy.max())}"
        few = of_depth[n].sum()
        return (
            f"Without a norm training stops at n = {n} ({6 * n + 2} layers): {few or 'none'} of "
            f"its {len(of_depth[n])} runs there {'is' if few < 2 else 'are'} better than guessing"
            f"{reach if len(others) else ''}."
        )
    deepest = max(of_depth)
    failed = int((~of_depth[deepest]).sum())
    words = (
        f"Without a norm networks of up to n = {deepest} ({6 * deepest + 2} layers) still train"
        + (f", though {failed} of {len(of_depth[deepest])} runs there fail" if failed else "")
    )
    cells = cells_of(runs[runs.n == deepest], ["norm", "peak_learning_rate"])
    nn = {cell: values for cell, values in cells.items() if cell[0] == "nn"}
    others = {cell: values for cell, values in cells.items() if cell[0] != "nn"}
    if not nn or not others:
        return f"{words}."
    own, rival = best_of(nn), best_of(others)
    return (
        f"{words}: there they reach {percent(fmean(nn[own]))}, and `{rival[0]}` "
        f"{percent(fmean(others[rival]))} ({chance((own, rival), against(nn, others))})."
    )


ANSWERS: dict[str, Callable[[pd.DataFrame, Facts], str]] = {
    "optimizers": optimizers_answer,
    "batch-size": batch_size_answer,
    "feature-quantiles": feature_quantiles_answer,
    "depth": depth_answer,
}
