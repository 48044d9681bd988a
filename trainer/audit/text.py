"""The audit as a page of plain text: what was found, how sure it is, what to do."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from plumage.folders import counted
from trainer.audit.detect.mislabelled import low_self_confidence
from trainer.audit.findings import Findings

SHOWN = 10  # classes that a line names


def summary(findings: Findings) -> str:
    """A page of text."""
    return "\n\n".join("\n".join([title, *lines]) for title, lines in sections(findings)) + "\n"


def sections(findings: Findings) -> Iterator[tuple[str, list[str]]]:
    """Titles and lines."""
    photos = findings.photos
    counts = Counter(photos.splits.tolist())
    told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    yield f"{photos.root}", [f"{len(photos):,} photos of {len(photos.species)} classes: {told}."]
    yield "Duplicates", list(_duplicates(findings))
    yield "Borders", list(_borders(findings))
    yield "Shortcuts", list(_shortcuts(findings))
    yield "Orientation", list(_orientation(findings))
    yield "Labels", list(_labels(findings))
    yield "Poor photos", list(_poor(findings))


def _duplicates(findings: Findings) -> Iterator[str]:
    photos, members = findings.photos, findings.members
    if not members:
        yield "None found."
        return
    kinds = Counter(pair.kind for pair in findings.near_duplicates)
    groups = counted(len(members), "group")
    yield (
        f"{sum(map(len, members)):,} photos in {groups} of the same shot or scene. Pairs: "
        f"{kinds['same file']:,} of the same file, {kinds['copy']:,} copies (flipped, turned, "
        f"cropped or recompressed), {kinds['same scene']:,} of the same scene."
    )
    across, mixed = sum(map(findings.across, members)), sum(map(findings.mixed, members))
    yield f"Groups across splits: {across:,}. Groups across classes: {mixed:,}."
    splits = list(dict.fromkeys(photos.splits.tolist()))
    for split in splits:
        if split != "train" and "train" in splits and across:
            share = findings.share_with_near_duplicate(split, "train")
            yield f"{share:.1%} of {split} photos have a near-duplicate in train."
    if across:
        yield "Their scores are inflated. Keep each group in one split: --clean-copy does."
    if mixed:
        yield (
            "A group across classes is a label error, two classes on one photo or, before a bare "
            "sky, a false match: look at them."
        )


def _borders(findings: Findings) -> Iterator[str]:
    shares = _share_of_species(findings, findings.bordered)
    if not findings.bordered.any():
        yield "None found."
        return
    bordered = counted(int(findings.bordered.sum()), "photo")
    yield f"{bordered} with one: {_named(shares)}."
    yield "They come from rotating photos afterwards: --clean-copy rotates back and crops."


def _shortcuts(findings: Findings) -> Iterator[str]:
    chance = findings.cues[0].chance
    yield (
        "How well one cue alone tells the class, cross-validated (guessing: accuracy "
        f"{chance:.1%}, AUROC 50%):"
    )
    yield f"  {'':12} accuracy  AUROC"
    for cue in findings.cues:
        told = f"  {cue.name:12} {cue.accuracy:8.1%}  {cue.auroc:5.0%}"
        yield f"{told}  SHORTCUT" if cue.shortcut else told
    for cue in findings.cues:
        if cue.shortcut:
            yield f"Shortcut: {cue.name}. {_listed(cue.species) or 'No class in particular'}."
    if any(cue.shortcut for cue in findings.cues):
        yield "A network learns these instead of its subject. Treat all classes' photos alike."
    else:
        yield "None is a shortcut. Colours and corners are informative by nature."


def _orientation(findings: Findings) -> Iterator[str]:
    named = [row for row in findings.flips if row.named]
    if not named:
        yield "No class is flipped upside down more than others."
        return
    told = [f"{row.species} ({row.flipped / row.photos:.0%})" for row in named]
    yield f"Often upside down: {_listed(told)}."
    others = [row for row in findings.flips if not row.named]
    if others:
        wrong = sum(row.flipped for row in others) / sum(row.photos for row in others)
        yield f"False alarms: {wrong:.0%} of the other classes seem upside down too."
    yield "A network judges single photos: look before you trust one. --clean-copy turns them."


def _labels(findings: Findings) -> Iterator[str]:
    if findings.probabilities is None:
        yield "Not looked for: there are too few photos of a class."
        return
    share = low_self_confidence(findings.photos.labels, findings.probabilities).mean()
    yield f"The network finds {share:.1%} of the labels unlikely."
    if not len(findings.label_errors):
        yield "It is confident of no other class there, or is too inaccurate to tell."
        return
    yield f"{len(findings.label_errors):,} probable label errors: look at these first."
    for index in findings.label_errors[:SHOWN].tolist():
        yield f"  {findings.photos.files[index]}: rather {findings.suggested(index)}"


def _poor(findings: Findings) -> Iterator[str]:
    unreadable = findings.photos.unreadable
    counts = {"unreadable": len(unreadable)} | {
        kind: int(found.sum()) for kind, found in findings.poor.items()
    }
    if not any(counts.values()):
        yield "None found."
        return
    yield ", ".join(f"{count:,} {kind}" for kind, count in counts.items() if count) + "."
    for file, why in list(unreadable.items())[:SHOWN]:
        yield f"  {file}: {why}"


def _listed(names: Sequence[str]) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more


def _share_of_species(findings: Findings, found: np.ndarray) -> dict[str, float]:
    labels = findings.photos.labels
    return {
        name: float(found[labels == index].mean())
        for index, name in enumerate(findings.photos.species)
    }


def _named(shares: dict[str, float]) -> str:
    """Classes and shares, the highest first, as long as they are not next to nothing."""
    first = sorted(((share, name) for name, share in shares.items() if share >= 0.02), reverse=True)
    if not first:
        return "under 2% of every class"
    told = _listed([f"{name} ({share:.0%})" for share, name in first])
    others = sum(share > 0 for share in shares.values()) > len(first)
    return f"{told}; under 2% of the others" if others else told
