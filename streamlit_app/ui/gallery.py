"""The gallery: telling test photos and a variant's predictions, by `python -m trainer.explain`."""

import json
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from streamlit_app.results.charts import percent
from streamlit_app.species import common_name


@dataclass(frozen=True)
class Exhibit:
    """A photo of the gallery.

    path: its file. species: the name of what it shows. kind: right, wrong or doubtful. answered,
    probability: the variant's prediction.
    """

    path: Path
    species: str
    kind: str
    answered: str
    probability: float


def exhibits(gallery: Path, variant: str, classes: Collection[str]) -> list[Exhibit]:
    """The gallery's photos for a variant; none where none was made or it is damaged.

    classes: all that the variant tells apart.
    """
    folder = gallery / variant
    try:
        entries = json.loads((folder / "gallery.json").read_text(encoding="utf-8"))
        found = [
            Exhibit(
                folder / Path(entry["photo"]).name,
                common_name(str(entry["species"]), classes),
                str(entry["kind"]),
                common_name(str(entry["answered"]), classes),
                float(entry["probability"]),
            )
            for entry in entries
        ]
    except (OSError, ValueError, TypeError, KeyError):
        return []
    return [exhibit for exhibit in found if exhibit.path.is_file()]


def caption(exhibit: Exhibit) -> str:
    """A gallery photo in words."""
    outcome = {
        "right": "correct",
        "wrong": f"taken for {exhibit.answered}",
        "doubtful": f"in doubt, {exhibit.answered}",
    }[exhibit.kind]
    return f"{exhibit.species}, {outcome}, {percent(exhibit.probability)}"


def captions(shown: Mapping[str, Exhibit]) -> dict[str, str]:
    """Captions by the photos' names, numbered where several are equal: a choice goes by them."""
    found: dict[str, str] = {}
    times: Counter[str] = Counter()
    for name, exhibit in shown.items():
        words = caption(exhibit)
        times[words] += 1
        found[name] = f"{words} ({times[words]})" if times[words] > 1 else words
    return found
