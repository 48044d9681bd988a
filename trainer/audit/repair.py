"""A clean copy of a photo set: what the audit found, undone or left out; the originals stay."""

import csv
import shutil
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pillow_heif
from PIL import Image

from plumage.folders import ALL
from plumage.photos import read_header, read_photo
from trainer.audit.detect.borders import find_border, without_border
from trainer.audit.findings import Findings
from trainer.data.photo_set import PhotoSetError

MANIFEST = "manifest.csv"


@dataclass
class Row:
    """The repair of a file.

    Attributes:
        file: of the set.
        done: what was done to it.
        new: the file in the copy, or None where it is left out.
        index: the photo's number; None where it cannot be read.
    """

    file: Path
    done: list[str]
    new: Path | None = None
    index: int | None = None


def check_target(source: Path, target: Path) -> None:
    """Raise PhotoSetError unless a copy of `source` can be written to `target`."""
    inner, outer = target.resolve(), source.resolve()
    if inner == outer or outer in inner.parents:
        raise PhotoSetError(
            f"{target} lies in {source}: name a folder outside it, as the photos there are not "
            "touched."
        )
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise PhotoSetError(f"{target} is not an empty folder: name another for the clean copy.")


def plan(findings: Findings) -> list[Row]:
    """The repair of each file, in the order of the set."""
    photos = findings.photos
    unfit = findings.poor["tiny"] | findings.poor["empty"]
    rows = [Row(file, [], index=index) for index, file in enumerate(photos.files)]
    kept = []
    for group in _groups(findings):
        fit = [index for index in group if not unfit[index]]
        for index in set(group) - set(fit):
            kind = next(k for k in ("tiny", "empty") if findings.poor[k][index])
            rows[index].done.append(f"left out: {kind}")
        if fit:
            best = max(fit, key=lambda index: _worth(findings, index))
            kept.append(best)
            for index in set(fit) - {best}:
                rows[index].done.append(f"left out: near-duplicate of {photos.files[best]}")
    label_errors = set(findings.label_errors.tolist())
    taken: set[Path] = set()
    for index, split in _splits(findings, kept).items():
        row, file = rows[index], photos.files[index]
        if findings.bordered[index]:
            row.done.append("border cut")
        if findings.turned[index]:
            row.done.append("turned upright")
        if split != file.parts[0]:
            row.done.append(f"moved from {file.parts[0]} to {split}")
        if index in label_errors:
            row.done.append(f"probable label error: rather {findings.suggested(index)}")
        if findings.poor["blurred"][index]:
            row.done.append("blurred")
        folder = () if split == ALL else (split,)
        row.new = _free(Path(*folder, *file.parts[1:]), taken)
    rows += [Row(file, [f"left out: {why}"]) for file, why in photos.unreadable.items()]
    return rows


def _groups(findings: Findings) -> list[list[int]]:
    """Photos of each group, lone ones too."""
    found: dict[int, list[int]] = {}
    for index, group in enumerate(findings.groups.tolist()):
        found.setdefault(group, []).append(index)
    return list(found.values())


def _worth(findings: Findings, index: int) -> tuple:
    """The sort key of the photo to keep of its group, the most important criterion first."""
    width, height = findings.photos.sizes[index]
    return (
        not findings.bordered[index],
        index not in findings.label_errors,
        not findings.poor["blurred"][index],
        width * height,
        -index,
    )


def _splits(findings: Findings, kept: list[int]) -> dict[int, str]:
    """The split of each photo kept: each species is shared out as it was before, and a photo
    moves only where its split has more than its share."""
    photos = findings.photos
    result: dict[int, str] = {}
    names = sorted(set(photos.splits.tolist()))
    for species in range(len(photos.species)):
        before = Counter(photos.splits[photos.labels == species].tolist())
        of_it = [index for index in sorted(kept) if photos.labels[index] == species]
        shares = np.array([before[name] for name in names]) / before.total()
        quota = np.floor(shares * len(of_it)).astype(int)
        rest = np.argsort(quota - shares * len(of_it), kind="stable")
        quota[rest[: len(of_it) - quota.sum()]] += 1
        room = dict(zip(names, quota.tolist(), strict=True))
        without = []
        for index in of_it:
            split = str(photos.splits[index])
            if room[split]:
                result[index] = split
                room[split] -= 1
            else:
                without.append(index)
        places = [name for name in names for _ in range(room[name])]
        result |= dict(zip(without, places, strict=True))
    return dict(sorted(result.items()))


def _free(file: Path, taken: set[Path]) -> Path:
    """The file's name, or the next one that is not taken: a split may have had the same."""
    name, number = file, 2
    while name in taken:
        name, number = file.with_stem(f"{file.stem}-{number}"), number + 1
    taken.add(name)
    return name


def repair(findings: Findings, target: Path) -> list[Row]:
    """Write the clean copy and its manifest.csv: all of it, or nothing.

    Raises:
        PhotoSetError: `target` lies in the set or is not empty, or the copy cannot be written.
    """
    source = findings.photos.source
    check_target(source.root, target)
    rows = plan(findings)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{target.name}-", dir=target.parent) as home:
            copy = Path(home) / "copy"
            for row in rows:
                if row.new:
                    _write(source.path(row.file), copy / row.new, row.done)
            copy.mkdir(exist_ok=True)
            # Names that are no UTF-8 are kept byte for byte.
            manifest = (copy / MANIFEST).open(
                "w", newline="", encoding="utf-8", errors="surrogateescape"
            )
            with manifest as file:
                table = csv.writer(file)
                table.writerow(["file", "new_file", "duplicate_group", "done"])
                for row in rows:
                    group = "" if row.index is None else findings.groups[row.index]
                    path = source.listing.paths[row.file]
                    table.writerow([path, row.new or "", group, "; ".join(row.done)])
                for kind, paths in source.listing.left_out.items():
                    table.writerows([path, "", "", f"left out: {kind}"] for path in paths)
            if target.exists():
                target.rmdir()  # Windows moves no folder onto another one
            copy.replace(target)
    except OSError as error:
        raise PhotoSetError(
            f"The clean copy could not be written to {target} ({error.strerror}): nothing is left "
            "there. Make room, or name another folder."
        ) from error
    return rows


def _write(file: Path, new: Path, done: list[str]) -> None:
    """Copy a photo, byte for byte where nothing is to be undone."""
    new.parent.mkdir(parents=True, exist_ok=True)
    if not {"border cut", "turned upright"} & set(done):
        shutil.copyfile(file, new)
        return
    data = file.read_bytes()
    kind = read_header(data).format
    photo = np.asarray(read_photo(data, limited=False, max_side=None))
    if "border cut" in done and (border := find_border(photo)):
        photo = without_border(photo, border)
    if "turned upright" in done:
        photo = photo[::-1]
    repaired = Image.fromarray(photo)
    if kind == "HEIF":
        pillow_heif.from_pillow(repaired).save(new, quality=95)
    else:  # formats that lose no detail take no notice of the quality
        repaired.save(new, "JPEG" if kind == "MPO" else kind, quality=95)
