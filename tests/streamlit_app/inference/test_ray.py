"""The folder command on a cluster of two machines says what it says on one."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from streamlit_app.batch import fill_table, main
from streamlit_app.inference.classifier import Classifier
from tests.conftest import COLOURS, draw_bird, encode

PHOTOS = 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Birds, one of them in a file whose name is no UTF-8, and files that are no photos."""
    folder = tmp_path / "photos"
    (folder / "day 1").mkdir(parents=True)
    for number in range(PHOTOS):
        colour = ("red", "lime", "blue")[number % 3]
        (folder / "day 1" / f"{number}.png").write_bytes(encode(draw_bird(colour), "PNG"))
    (folder / "=1+1\udcff.png").write_bytes(encode(draw_bird("yellow"), "PNG"))
    (folder / "text.jpg").write_text("no photo")
    return folder


def lines(table: Path) -> list[list[str]]:
    with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        return list(csv.reader(file, strict=True))


@pytest.mark.slow
def test_two_machines_fill_the_table_that_one_fills_and_go_on_with_one_begun(
    cluster: str, folder: Path, checkpoints: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    here, there = tmp_path / "here.csv", tmp_path / "there.csv"
    fill_table(folder, here, Classifier(checkpoints / "bn"))
    # What a run that was stopped leaves: the header, some rows, half of another.
    begun = "".join(here.read_text("utf-8", "surrogateescape").splitlines(keepends=True)[:7])
    with there.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file:
        file.write(begun.replace("\n", "\r\n") + "day 1/5")
    main([str(folder), "--out", str(there), "--cluster", cluster])
    assert "1 could not be read, 6 were there already" in capsys.readouterr().out
    header, *rows = lines(here)
    assert lines(there)[:7] == [header, *rows[:6]]
    assert sorted(lines(there)[1:]) == sorted(rows)
    assert len(rows) == PHOTOS + 2
    assert {row[1] for row in rows} == {*(name for name in COLOURS)} & {
        "Red Bird", "Green Bird", "Blue Bird", "Yellow Bird"
    } | {""}  # fmt: skip
    main([str(folder), "--out", str(there), "--cluster", cluster])
    assert "0 photos named" in capsys.readouterr().out


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_said_so(
    folder: Path, checkpoints: Path, tmp_path: Path
) -> None:
    with pytest.raises(SystemExit, match="There is no Ray cluster at nowhere"):
        main([str(folder), "--out", str(tmp_path / "a.csv"), "--cluster", "nowhere"])


@pytest.mark.slow
def test_without_ray_the_command_works_and_its_cluster_says_what_to_install(
    folder: Path, checkpoints: Path, tmp_path: Path
) -> None:
    script = "import sys; sys.modules['ray'] = None\nfrom streamlit_app.batch import main\nmain()"
    command = [sys.executable, "-c", script, str(folder), "--out", str(tmp_path / "a.csv")]
    subprocess.run(command, check=True, timeout=300)
    refused = subprocess.run(
        [*command, "--cluster", "auto"], capture_output=True, text=True, timeout=300
    )
    assert refused.returncode == 1
    assert "needs ray: pip install --requirement cluster-requirements.txt" in refused.stderr
