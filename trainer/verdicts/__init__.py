"""Verdicts on measured results: each adds an enum and a sentence to the rows it follows from.

Measuring calls them before it writes a file of checkpoints/results/, reporting calls them again to
keep the words up to date. They import no torch.
"""

from collections.abc import Callable
from typing import Any

from trainer.verdicts import border, comparison, explain, leakage, ood, robustness

Results = dict[str, Any]

# By the name of the file in checkpoints/results/.
VERDICTS: dict[str, Callable[[Results], Results]] = {
    "border": border.conclude,
    "comparison": comparison.conclude,
    "explain": explain.conclude,
    "leakage": leakage.conclude,
    "ood": ood.conclude,
    "robustness": robustness.conclude,
}
