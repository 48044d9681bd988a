"""The whole audit: photos in; the page of text, the page of examples, the table, the copy out."""

from pathlib import Path

import pandas as pd

from trainer.audit.detect.survey import survey
from trainer.audit.findings import Findings, examine
from trainer.audit.page import page
from trainer.audit.repair import MANIFEST, check_target, repair
from trainer.audit.text import summary
from trainer.data.photo_set import PhotoSetError
from trainer.utils.files import replacing


def audit(data: Path, fix: Path | None, output: Path, checkpoints: Path, variant: str) -> None:
    """Examine the photos, write what was found, and the clean copy if one is asked for.

    Args:
        data: folder of the photos, which are only read.
        fix: folder of the clean copy.
        output: folder in which decoded photos are kept and audit/ is written.
        checkpoints: folder of the checkpoints.
        variant: the checkpoint that is asked about labels.

    Raises:
        PhotoSetError: the photos cannot be read, or a result cannot be written.
    """
    if fix:
        check_target(data, fix)
    photos = survey(data, output / "cache")
    findings = examine(photos, checkpoints, variant)
    home = output / "audit"
    try:
        write(findings, home)
    except OSError as error:
        raise PhotoSetError(
            f"The audit could not be written to {home} ({error.strerror}): make room there, or "
            "name another folder with --output."
        ) from error
    print(summary(findings))
    print(f"Examples: {home / 'audit.html'}. Every finding: {home / 'audit.csv'}.")
    if fix:
        kept = sum(row.new is not None for row in repair(findings, fix))
        print(f"{fix} holds {kept:,} clean photos; its {MANIFEST} says what became of each.")


def write(findings: Findings, home: Path) -> None:
    """Write audit.txt, audit.html and audit.csv."""
    with replacing(home / "audit.txt") as temporary:
        temporary.write_text(summary(findings), encoding="utf-8")
    with replacing(home / "audit.html") as temporary:
        temporary.write_text(page(findings), encoding="utf-8")
    table = pd.DataFrame(findings.rows(), columns=["file", "finding", "more"])
    with replacing(home / "audit.csv") as temporary:
        table.to_csv(temporary, index=False)
