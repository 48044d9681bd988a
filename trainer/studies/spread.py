"""The spread between seeds, and the differences that it lets be seen.

Runs of one setting differ in their seed only. Their spread is pooled over all settings of a study
that were run with several seeds (the error of a one-way analysis of variance). Two settings named
beforehand are compared by Student's t, the best of several and the next one by Tukey's range (Tukey
1949).
"""

import math
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

LEVEL, POWER = 0.05, 0.8
MATTERS = 0.02  # a smaller difference of accuracies is of no consequence
Cells = dict[Any, list[float]]


class Spread(NamedTuple):
    """The spread of runs that differ in their seed only.

    Attributes:
        deviation: standard deviation, a share.
        freedom: degrees of freedom that it is estimated with.
    """

    deviation: float
    freedom: int

    def p(self, difference: float, runs: Sequence[int], among: int = 2) -> float:
        """The probability that chance alone makes a difference as large between means of such runs.

        Args:
            difference: of two means, or of two such differences.
            runs: in each of the means.
            among: settings from which these two were selected.
        """
        if not self.freedom:
            return math.nan
        error = self.deviation * math.sqrt(sum(1 / count for count in runs))
        if error == 0:
            return float(difference == 0)
        q = math.sqrt(2) * abs(difference) / error
        return float(stats.studentized_range.sf(q, among, self.freedom))

    def visible(self, runs: Sequence[int], among: int = 2) -> float:
        """The smallest true difference that is found in 80% of cases (Lachin 1981)."""
        if not self.freedom:
            return math.inf
        q = stats.studentized_range.ppf(1 - LEVEL, among, self.freedom) / math.sqrt(2)
        error = self.deviation * math.sqrt(sum(1 / count for count in runs))
        return float((q + stats.t.ppf(POWER, self.freedom)) * error)


def spread_between(cells: Mapping[Any, Sequence[float]]) -> Spread:
    """The spread between seeds, pooled over settings; without freedom where each has one run."""
    several = [values for values in cells.values() if len(values) > 1]
    freedom = sum(len(values) - 1 for values in several)
    squares = sum(float(np.var(values)) * len(values) for values in several)
    return Spread(math.sqrt(squares / freedom) if freedom else math.nan, freedom)


class Verdict(NamedTuple):
    """Whether a difference is significant.

    Attributes:
        holds: True or False where it is, by its sign; None where it is not.
        seen: whether a difference that matters would have been detected.
        words: the same in words.
    """

    holds: bool | None
    seen: bool
    words: str

    def on_claim(self, claim: str) -> str:
        """The verdict on a claim that the difference is positive: `CLAIM is confirmed`."""
        if self.holds is not None:
            return f"{claim} is {'confirmed' if self.holds else 'contradicted'}"
        return f"{claim} is {'not confirmed' if self.seen else 'undecided'}"


def judge(difference: float, spread: Spread, runs: Sequence[int], among: int = 2) -> Verdict:
    """Whether a difference of means is significant; arguments as of `Spread.p`."""
    p, visible = spread.p(difference, runs, among), spread.visible(runs, among)
    if p < LEVEL:
        return Verdict(difference > 0, True, f"significant, p = {p:.2g}")
    if visible <= MATTERS:
        return Verdict(
            None, True, f"not significant, where {points(visible, '')} points would be detected"
        )
    return Verdict(
        None, False, f"not significant: these runs detect {points(visible, '')} points or more"
    )


def percent(share: float) -> str:
    """A share in percent with one decimal."""
    return f"{100 * share:.1f}%"


def points(share: float, sign: str = "+") -> str:
    """A difference of shares in percentage points, signed by default."""
    return f"{100 * share:{sign}.1f}"


def summed_up(accuracies: Sequence[float]) -> str:
    """The mean of a setting's runs, with their standard deviation where there are several."""
    mean = f"{100 * fmean(accuracies):.1f}"
    return (
        f"{mean} ± {100 * np.std(accuracies, ddof=1):.1f}%" if len(accuracies) > 1 else f"{mean}%"
    )


def cells_of(runs: pd.DataFrame, keys: list[str]) -> Cells:
    """The accuracies of each setting's runs; a setting with a diverged run is left out."""
    groups = {key: group.accuracy for key, group in runs.groupby(keys)}
    groups = {key[0] if len(keys) == 1 else key: values for key, values in groups.items()}
    return {key: values.tolist() for key, values in groups.items() if values.notna().all()}


def best_of(cells: Cells) -> Any:
    """The setting with the highest mean."""
    return max(cells, key=lambda cell: fmean(cells[cell]))


def chosen(cells: Cells) -> dict[Any, Any]:
    """The best setting of each first part of the settings' names: most seeds, then highest mean."""
    found: dict[Any, Any] = {}
    for cell in sorted(cells, key=lambda cell: (len(cells[cell]), fmean(cells[cell]))):
        found[cell[0]] = cell
    return found


def lead(cells: Cells) -> tuple[Any, Any, Verdict]:
    """The best setting, the next one, and whether it leads significantly among all."""
    best, rival = sorted(cells, key=lambda cell: -fmean(cells[cell]))[:2]
    runs = [len(cells[best]), len(cells[rival])]
    difference = fmean(cells[best]) - fmean(cells[rival])
    return best, rival, judge(difference, spread_between(cells), runs, len(cells))
