"""Which variant answers where nobody has chosen one."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from streamlit_app.results.scores import read_reports

Variant = TypeVar("Variant")


def best_first(variants: Mapping[str, Variant], folder: Path) -> dict[str, Variant]:
    """The variants by name, the most accurate on val photos first, the others in their order.

    folder: of the checkpoints, with their reports; a variant without one leads no other.
    """
    reports, _ = read_reports(folder)

    def accuracy(name: str) -> float:
        return reports[name]["metrics"]["val"]["accuracy"]["value"] if name in reports else 0.0

    best = max(variants, key=accuracy)
    return {best: variants[best], **variants}
