"""Files and folders that are either whole or not there."""

import json
import math
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`, which takes its place once the block has succeeded.

    A reader sees the old file or the new one, never a half-written one, even after the power was
    cut; if the block fails, the temporary file is removed.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.part")
    try:
        yield temporary
        _to_disk(temporary)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def replacing_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside `folder`, which takes its place once the block has succeeded.

    If the block fails, the old folder stays as it is.
    """
    temporary, old = (folder.with_name(f".{folder.name}.{kind}") for kind in ("part", "old"))

    def tidy() -> None:
        if old.exists() and not folder.exists():  # stopped between the two renames
            old.rename(folder)
        for left in (temporary, old):
            shutil.rmtree(left, ignore_errors=True)

    tidy()
    temporary.mkdir(parents=True)
    try:
        yield temporary
        if folder.exists():
            folder.rename(old)
        temporary.rename(folder)
    finally:
        tidy()


def write_json(path: Path, value: Any, indent: int | None = 2) -> None:
    """Write a value as JSON, whole or not at all.

    JSON has no NaN and no infinity: they become null, as the mean over no photos does.

    Args:
        path: of the file.
        value: of dictionaries, lists, strings, numbers, truth values and None.
        indent: spaces a level, for people to read; None writes one line.
    """
    text = json.dumps(_finite(value), indent=indent, allow_nan=False)
    with replacing(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    """The value with None in the place of each number that is not finite."""
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _to_disk(path: Path) -> None:
    """Return once the file's bytes are on the disk: else its new name may get there before them."""
    with path.open("rb+") as file:
        os.fsync(file.fileno())
