"""The audit as one HTML file with example photos in it; it needs nothing else to be shown."""

import base64
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from jinja2 import Environment, FileSystemLoader, select_autoescape

from trainer.audit.findings import Findings
from trainer.audit.text import sections

Shown = TypeVar("Shown")

MAX_EXAMPLES = 18  # examples of a kind
SIDE = 128  # pixels of an example


def page(findings: Findings) -> str:
    """The whole page."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
    )
    (title, counts), *rest = sections(findings)
    examples = dict(_examples(findings))
    parts = [(name, _blocks(lines), examples.get(name, [])) for name, lines in rest]
    template = environment.get_template("page.html")
    return template.render(title=title, counts=counts, parts=parts)


def _blocks(lines: Sequence[str]) -> list[tuple[bool, str]]:
    """The lines of a table as one block, those of sentences as another; whether it is a table."""
    runs = groupby(lines, key=lambda line: line.startswith("  "))
    return [(indented, "\n".join(block)) for indented, block in runs]


def _examples(findings: Findings) -> Iterator[tuple[str, list[list[dict[str, str]]]]]:
    """Of each section, groups of photos: those that belong together are one group."""
    photos = findings.photos
    yield "Duplicates", [_figures(findings, group) for group in _groups(findings)]
    for name, found in (("Borders", findings.bordered), ("Orientation", findings.turned)):
        yield name, [_figures(findings, _spread(np.flatnonzero(found).tolist(), MAX_EXAMPLES))]
    label_errors = findings.label_errors[:MAX_EXAMPLES].tolist()
    notes = [f"{photos.files[i].parts[1]}? Rather {findings.suggested(i)}" for i in label_errors]
    yield "Labels", [_figures(findings, label_errors, notes)]
    poor = [
        (i, kind) for kind, found in findings.poor.items() for i in np.flatnonzero(found).tolist()
    ]
    shown = poor[:MAX_EXAMPLES]
    yield "Poor photos", [_figures(findings, [i for i, _ in shown], [kind for _, kind in shown])]


def _groups(findings: Findings) -> list[list[int]]:
    """Groups of near-duplicates to show, at most six photos of each.

    Groups across species come first, then those across splits, then others; in a group, the first
    photo of each split and species."""
    mixed = [group for group in findings.members if findings.mixed(group)]
    others = [group for group in findings.members if not findings.mixed(group)]
    across = [group for group in others if findings.across(group)]
    shown = _spread(mixed, MAX_EXAMPLES // 3)
    shown += _spread(across or others, MAX_EXAMPLES - len(shown))
    ordered = []
    for group in shown:
        folders = [str(findings.photos.files[index].parent) for index in group]
        firsts = np.unique(folders, return_index=True)[1]
        ordered.append([*group[firsts].tolist(), *np.delete(group, firsts).tolist()][:6])
    return ordered


def _spread(found: Sequence[Shown], most: int) -> list[Shown]:
    """At most that number of findings, from all parts of the set."""
    places = np.linspace(0, len(found) - 1, min(most, len(found))).astype(int)
    return [found[place] for place in places]


def _figures(
    findings: Findings, indices: Sequence[int], notes: Sequence[str] = ()
) -> list[dict[str, str]]:
    """Picture, file and note of each photo."""
    photos = findings.photos
    return [
        {
            "picture": _picture(photos.pixels[i], photos.sizes[i]),
            "file": str(photos.files[i]),
            "species": photos.files[i].parts[1],
            "note": notes[n] if notes else " ".join(photos.files[i].parts[:2]),
        }
        for n, i in enumerate(indices)
    ]


def _picture(photo: np.ndarray, size: tuple[int, int]) -> str:
    """The squeezed photo (S, S, 3) in its own shape, as the text of a JPEG."""
    scale = SIDE / max(size)
    own = max(1, round(size[0] * scale)), max(1, round(size[1] * scale))
    small = cv2.resize(photo, own, interpolation=cv2.INTER_AREA)
    data = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return base64.b64encode(data.tobytes()).decode()
