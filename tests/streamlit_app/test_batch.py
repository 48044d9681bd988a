import csv
import io
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from benchmarks.client.visitor import wait_until
from plumage.folders import list_photos
from plumage.photos import read_photo
from streamlit_app.batch import fill_table, lock_of, main
from streamlit_app.inference import table as tables
from streamlit_app.inference.classifier import Classifier
from streamlit_app.inference.limits import CORES
from streamlit_app.inference.table import (
    COLUMNS,
    EARLIER_COLUMNS,
    FILES_PER_REQUEST,
    File,
    Row,
    escape_formula,
    open_table,
    rows_of,
    write_row,
)
from tests.conftest import COLOURS, colour_checkpoint, draw_bird, encode, several_looks

ROOT = Path(__file__).parents[2]
BIRDS = ["red", "lime", "blue", "yellow", "cyan", "magenta"]


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    return Classifier(colour_checkpoint(tmp_path_factory.mktemp("checkpoints") / "bn"))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six birds, in two folders of one folder."""
    for place, colour in enumerate(BIRDS):
        file = tmp_path / "photos" / f"day {place % 2}" / f"{colour}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(encode(draw_bird(colour)))
    return tmp_path / "photos"


def photo_files(folder: Path) -> list[str]:
    return [photo.as_posix() for photo in list_photos(folder).photos]


def rows(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_each_photo_of_a_folder_is_one_row_with_its_first_two_species(
    folder: Path, tmp_path: Path, classifier: Classifier
) -> None:
    said = fill_table(folder, tmp_path / "birds.csv", classifier)
    found = rows(tmp_path / "birds.csv")
    assert list(found[0]) == COLUMNS == [
        "file", "species", "probability", "second species", "second probability",
        "prediction set", "taken", "error", "variant",
    ]  # fmt: skip
    assert [row["file"] for row in found] == photo_files(folder)
    colours = dict(zip(BIRDS, COLOURS, strict=True))
    for row in found:
        answer = classifier.classify([read_photo((folder / row["file"]).read_bytes())])
        (first, probability), (second, second_probability), *_ = answer.ranking(0)
        assert first == colours[Path(row["file"]).stem]
        assert row["species"] == first
        assert row["second species"] == second
        assert float(row["probability"]) == pytest.approx(probability, abs=1e-4)
        assert float(row["second probability"]) == pytest.approx(second_probability, abs=1e-4)
        assert row["prediction set"] == "; ".join(name for name in answer.prediction_set(0))
        assert row["taken"] == row["error"] == ""
    assert "6 photos named, 0 could not be read, 0 were there already" in said


def test_a_bad_file_is_one_row_that_says_why_and_the_others_are_named(
    folder: Path, tmp_path: Path, classifier: Classifier
) -> None:
    (folder / "empty.jpg").write_bytes(b"")
    (folder / "cut.png").write_bytes(encode(draw_bird(), "PNG")[:60])
    (folder / "text.webp").write_text("not a photo")
    said = fill_table(folder, tmp_path / "birds.csv", classifier)
    found = {row["file"]: row for row in rows(tmp_path / "birds.csv")}
    assert len(found) == 9
    for name in ("empty.jpg", "cut.png", "text.webp"):
        assert found[name]["error"].endswith(".")
        assert found[name]["species"] == found[name]["probability"] == ""
    assert sum(not row["error"] for row in found.values()) == 6
    assert "6 photos named, 3 could not be read" in said


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_no_photo_and_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.jpg")
    assert photo_files(tmp_path) == []


def test_of_a_huge_file_little_is_read(tmp_path: Path, classifier: Classifier) -> None:
    with (tmp_path / "film.jpg").open("wb") as film:
        film.truncate(2**40)  # a file of holes
    fill_table(tmp_path, tmp_path / "birds.csv", classifier)
    (row,) = rows(tmp_path / "birds.csv")
    assert "more than 50 MB" in row["error"]


def test_a_photo_of_no_bird_says_so_and_what_comes_nearest(
    tmp_path: Path, classifier: Classifier
) -> None:
    photo = Image.new("RGB", (60, 60), "white")
    (tmp_path / "wall.png").write_bytes(encode(photo, "PNG"))
    fill_table(tmp_path, tmp_path / "birds.csv", classifier)
    (row,) = rows(tmp_path / "birds.csv")
    (nearest, probability), *_ = classifier.classify([photo]).ranking(0)
    assert row["species"] == "No bird of these 6"
    assert row["probability"] == row["prediction set"] == ""
    assert row["second species"] == nearest
    assert float(row["second probability"]) == pytest.approx(probability, abs=1e-4)


@pytest.mark.skipif(os.name != "posix", reason="needs links")
def test_a_file_that_cannot_be_opened_is_one_row_too(
    tmp_path: Path, classifier: Classifier
) -> None:
    (tmp_path / "gone.jpg").symlink_to(tmp_path / "nowhere")
    fill_table(tmp_path, tmp_path / "birds.csv", classifier)
    (row,) = rows(tmp_path / "birds.csv")
    assert row["error"] == "This file cannot be opened: No such file or directory."


def test_a_second_run_at_once_is_refused(
    tmp_path: Path, folder: Path, classifier: Classifier
) -> None:
    table = tmp_path / "birds.csv"
    with (
        FileLock(lock_of(table)),
        pytest.raises(ValueError, match=r"Another run is filling .*birds\.csv: wait"),
    ):
        fill_table(folder, table, classifier)
    assert not table.exists()
    assert "could not be read" in fill_table(folder, table, classifier)


def test_a_folder_without_photos_is_refused_with_what_it_holds(
    tmp_path: Path, classifier: Classifier
) -> None:
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "clip.MP4").write_bytes(b"")
    with pytest.raises(ValueError, match="holds no photos, but 1 video"):
        fill_table(videos, tmp_path / "birds.csv", classifier)
    assert not (tmp_path / "birds.csv").exists()


def test_files_that_are_left_out_are_counted(
    folder: Path, tmp_path: Path, classifier: Classifier
) -> None:
    (folder / "film.mp4").touch()
    said = fill_table(folder, tmp_path / "birds.csv", classifier)
    assert said.endswith("Left out: 1 video.")


def test_a_second_run_asks_only_about_new_photos_and_adds_their_rows(
    folder: Path, tmp_path: Path, classifier: Classifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = tmp_path / "birds.csv"
    fill_table(folder, table, classifier)
    before = table.read_bytes()
    (folder / "new.png").write_bytes(encode(draw_bird(), "PNG"))
    asked: list[str] = []

    def watched(classifier: Classifier, files: list[File]) -> object:
        asked.extend(name for name, _ in files)
        return rows_of(classifier, files)

    monkeypatch.setattr(tables, "rows_of", watched)
    said = fill_table(folder, table, classifier)
    assert asked == ["new.png"]
    assert table.read_bytes().startswith(before)
    assert [row["file"] for row in rows(table)][6:] == ["new.png"]
    assert "1 photo named, 0 could not be read, 6 were there already" in said


def test_a_table_cut_off_anywhere_is_completed_without_half_or_double_rows(
    folder: Path, tmp_path: Path, classifier: Classifier
) -> None:
    (folder / 'line\nbreak, "quoted".jpg').write_bytes(encode(draw_bird()))
    table = tmp_path / "birds.csv"
    fill_table(folder, table, classifier)
    whole = table.read_bytes()
    for end in range(0, len(whole), 5):
        table.write_bytes(whole[:end])
        fill_table(folder, table, classifier)
        assert table.read_bytes() == whole


def begun(tmp_path: Path, **how: Any) -> tuple[subprocess.Popen[str], list[str], Path, Path]:
    """The command under way on 300 photos, 20 rows done: the process, command, folder and table."""
    folder, table = tmp_path / "photos", tmp_path / "birds.csv"
    folder.mkdir()
    photo = encode(draw_bird("blue", (1000, 800)))
    for number in range(300):
        (folder / f"{number:03}.jpg").write_bytes(photo)
    command = [sys.executable, "-m", "streamlit_app.batch", str(folder), "--out", str(table)]
    process = subprocess.Popen(command, cwd=ROOT, text=True, **how)
    wait_until(lambda: table.exists() and table.read_bytes().count(b"\n") >= 20)
    return process, command, folder, table


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
@pytest.mark.slow
def test_a_killed_run_is_resumed_to_the_same_table(tmp_path: Path, checkpoints: Path) -> None:
    first, command, folder, table = begun(tmp_path, stderr=subprocess.DEVNULL)
    first.kill()
    first.wait()
    kept = table.read_bytes()
    assert 20 <= kept.count(b"\n") <= 300
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
    rows_kept = kept.count(b"\n") - 1  # less the header
    assert f" {rows_kept} were there already" in done.stdout
    assert table.read_bytes().startswith(kept)
    assert [row["file"] for row in rows(table)] == photo_files(folder)


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="Windows has no process groups")
@pytest.mark.slow
def test_ctrl_c_in_a_terminal_is_answered_with_one_sentence_and_rows_are_kept(
    tmp_path: Path, checkpoints: Path
) -> None:
    run, _, _, table = begun(tmp_path, stderr=subprocess.PIPE, start_new_session=True)
    os.killpg(run.pid, signal.SIGINT)  # workers get it, too
    _, said = run.communicate()
    assert run.returncode == 130
    assert said.endswith("\nStopped: start again to resume.\n")
    assert "Traceback" not in said
    assert "KeyboardInterrupt" not in said
    assert 20 <= len(rows(table)) < 300


@pytest.mark.parametrize("start", list("=+-@\uff1d\uff0b\uff0d\uff20\t\r\n'"))
def test_a_cell_that_a_spreadsheet_would_compute_starts_with_an_apostrophe(start: str) -> None:
    assert escape_formula(f"{start}cmd") == f"'{start}cmd"
    assert escape_formula(f"cmd{start}") == f"cmd{start}"


@given(st.text(st.characters(exclude_categories=[])), st.text(st.characters(exclude_categories=[])))
def test_any_two_names_stay_two_through_a_table(first: str, second: str) -> None:
    file = io.StringIO(newline="")
    for name in (first, second):
        write_row(file, [name, 0.5, None])
    file.seek(0)
    names = [line[0] for line in csv.reader(file, strict=True)]
    assert names == [escape_formula(first), escape_formula(second)]
    assert (names[0] == names[1]) == (first == second)


def test_no_part_of_a_name_is_computed_where_a_spreadsheet_splits_at_semicolons() -> None:
    file = io.StringIO(newline="")
    write_row(file, ["a;=1+1.jpg", "Red Bird", 0.5])
    file.seek(0)
    (cells,) = csv.reader(file, delimiter=";")
    assert not any(cell.startswith("=") for cell in cells)


@pytest.mark.skipif(sys.platform != "linux", reason="other systems forbid such names")
def test_names_are_data_whatever_they_hold(tmp_path: Path, classifier: Classifier) -> None:
    names = ["=1+1.jpg", "'=1+1.jpg", "-a.jpg", "a,b.jpg", 'a"b.jpg', "a\rb.jpg", "हुदहुद.jpg"]
    names.append(os.fsdecode(b"latin \xe9.jpg"))
    for name in names:
        (tmp_path / name).write_bytes(encode(draw_bird()))
    table = tmp_path / "birds.csv"
    fill_table(tmp_path, table, classifier)
    assert {row["file"] for row in rows(table)} == {escape_formula(name) for name in names}
    assert "0 photos named, 0 could not be read, 8 were" in fill_table(tmp_path, table, classifier)


def test_a_table_of_something_else_is_left_alone(
    folder: Path, tmp_path: Path, classifier: Classifier
) -> None:
    table = tmp_path / "accounts.csv"
    table.write_text("date,amount\n1 May,7\n")
    with pytest.raises(ValueError, match="is not a Plumage results table"):
        fill_table(folder, table, classifier)
    assert table.read_text() == "date,amount\n1 May,7\n"


def test_a_table_of_an_earlier_version_is_resumed_under_its_own_header(
    folder: Path, tmp_path: Path, classifier: Classifier
) -> None:
    table = tmp_path / "birds.csv"
    fill_table(folder, table, classifier)
    whole = table.read_bytes()
    rest = whole.split(b"\r\n", 1)[1]
    earlier = ",".join(EARLIER_COLUMNS).encode()
    assert b"one of" in earlier
    table.write_bytes(earlier + b"\r\n" + rest[: len(rest) // 2])
    fill_table(folder, table, classifier)
    assert table.read_bytes() == earlier + b"\r\n" + rest


def test_a_table_of_another_variant_is_left_alone_and_the_way_on_is_said(
    folder: Path, tmp_path: Path, classifier: Classifier
) -> None:
    table = tmp_path / "birds.csv"
    fill_table(folder, table, classifier)
    before = table.read_bytes()
    (folder / "new.jpg").write_bytes(encode(draw_bird()))
    other = Classifier(colour_checkpoint(tmp_path / "checkpoints" / "gn"))
    with pytest.raises(ValueError, match=r"by bn, not by gn: resume it with --variant bn, or"):
        fill_table(folder, table, other)
    assert table.read_bytes() == before


def test_a_file_without_a_whole_line_is_not_overwritten_unless_it_is_our_own(
    tmp_path: Path,
) -> None:
    table = tmp_path / "letter.txt"
    table.write_text("Dear Sir")
    with pytest.raises(ValueError, match="is not a Plumage results table"), open_table(table, "bn"):
        pass
    assert table.read_text() == "Dear Sir"


def test_many_files_are_answered_in_order_and_no_more_of_them_read_than_wait(
    classifier: Classifier,
) -> None:
    count = FILES_PER_REQUEST * (8 * CORES) + 3
    photos = [encode(draw_bird(colour)) for colour in BIRDS]
    opened, lock = [], threading.Lock()

    def read(number: int) -> bytes:
        with lock:
            opened.append(number)
        return photos[number % 6]

    files = [(str(number), lambda number=number: read(number)) for number in range(count)]
    answers = rows_of(classifier, files, thumbnails=True)
    found = [next(answers)]
    assert len(opened) <= FILES_PER_REQUEST * 2 * CORES
    found += answers
    assert [row.file for row, _ in found] == [name for name, _ in files]
    assert [row.species for row, _ in found[:6]] == list(COLOURS)
    assert {picture[:22] for _, picture in found} == {"data:image/jpeg;base64"}


def test_the_command_names_what_is_missing(folder: Path, tmp_path: Path, checkpoints: Path) -> None:
    out = ["--out", str(tmp_path / "birds.csv")]

    def complaint(*arguments: str) -> str:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        return str(caught.value)

    assert "nowhere is not a folder" in complaint(str(tmp_path / "nowhere"), *out)
    assert "choose from bn" in complaint(str(folder), *out, "--variant", "gn")
    assert "cannot be written" in complaint(str(folder), "--out", str(tmp_path / "no" / "a.csv"))
    (checkpoints / "bn" / "model.onnx").unlink()
    assert "python -m trainer" in complaint(str(folder), *out)
    assert not (tmp_path / "birds.csv").exists()


def test_the_variant_named_answers(folder: Path, tmp_path: Path, checkpoints: Path) -> None:
    colour_checkpoint(checkpoints / "gn", temperature="4")
    for variant in ("bn", "gn"):
        main([str(folder), "--out", str(tmp_path / f"{variant}.csv"), "--variant", variant])
    sure, calm = (rows(tmp_path / f"{variant}.csv")[0] for variant in ("bn", "gn"))
    assert sure["species"] == calm["species"]
    assert float(sure["probability"]) > float(calm["probability"])


def test_a_table_of_another_folder_is_left_alone(
    folder: Path, tmp_path: Path, classifier: Classifier
) -> None:
    table = tmp_path / "birds.csv"
    fill_table(folder, table, classifier)
    before = table.read_bytes()
    card = shutil.copytree(folder, tmp_path / "second card")
    with pytest.raises(ValueError, match="holds the photos of .*, not of .*second card"):
        fill_table(card, table, classifier)
    assert table.read_bytes() == before
    (tmp_path / "birds.csv.json").unlink()
    assert "6 were there already" in fill_table(card, table, classifier)


def test_a_changed_file_and_one_that_could_not_be_read_are_answered_again(
    folder: Path, tmp_path: Path, classifier: Classifier
) -> None:
    table, bad, changed = tmp_path / "birds.csv", folder / "bad.jpg", folder / "day 0" / "red.jpg"
    bad.write_bytes(b"")
    fill_table(folder, table, classifier)
    bad.write_bytes(encode(draw_bird("lime")))
    changed.write_bytes(encode(draw_bird("blue")) + b"longer")
    assert "2 photos named, 0 could not be read, 5 were" in fill_table(folder, table, classifier)
    found = {row["file"]: row["species"] for row in rows(table)}
    assert len(rows(table)) == 7
    assert (found["bad.jpg"], found["day 0/red.jpg"]) == ("Green Bird", "Blue Bird")


def test_an_interrupted_run_says_how_to_resume_and_keeps_its_rows(
    folder: Path,
    tmp_path: Path,
    checkpoints: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupted(*_: object) -> Iterator[Row]:
        for number in range(FILES_PER_REQUEST):
            yield Row(f"{number}.jpg", "Red Bird", variant="bn")
        raise KeyboardInterrupt

    for number in range(FILES_PER_REQUEST + 1):
        (folder / f"{number}.jpg").write_bytes(encode(draw_bird()))
    monkeypatch.setattr("streamlit_app.batch.rows_of_folder", interrupted)
    with pytest.raises(SystemExit) as stopped:
        main([str(folder), "--out", str(tmp_path / "birds.csv")])
    assert stopped.value.code == 130
    assert "Stopped: start again to resume." in capsys.readouterr().err
    assert len(rows(tmp_path / "birds.csv")) == FILES_PER_REQUEST


def test_a_fault_of_the_machine_is_not_said_to_be_the_tables(
    folder: Path, tmp_path: Path, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> Iterator[Row]:
        raise OSError(24, "Too many open files")
        yield

    monkeypatch.setattr("streamlit_app.batch.rows_of_folder", failing)
    with pytest.raises(SystemExit, match="The run stopped: .*Too many open files"):
        main([str(folder), "--out", str(tmp_path / "birds.csv")])


@pytest.mark.parametrize(
    ("mark", "delimiter", "end", "quoting"),
    [
        ("utf-8-sig", ";", "\r\n", csv.QUOTE_MINIMAL),
        ("utf-8", ",", "\n", csv.QUOTE_MINIMAL),
        ("utf-8", ",", "\n", csv.QUOTE_ALL),
        ("utf-8", "\t", "\r\n", csv.QUOTE_MINIMAL),
        ("cp1252", ";", "\r\n", csv.QUOTE_MINIMAL),
        ("cp1252", ",", "\r\n", csv.QUOTE_MINIMAL),
        ("utf-16", "\t", "\r\n", csv.QUOTE_MINIMAL),
        ("utf-8-sig", ";", "\r", csv.QUOTE_MINIMAL),
    ],
    ids=["Excel", "LibreOffice", "quoted", "tabs", "ANSI", "ANSI commas", "Unicode Text", "Mac"],
)
def test_a_table_that_a_spreadsheet_saved_is_resumed(
    folder: Path,
    tmp_path: Path,
    classifier: Classifier,
    mark: str,
    delimiter: str,
    end: str,
    quoting: int,
) -> None:
    (folder / "Šumava, été.jpg").write_bytes(encode(draw_bird()))
    table = tmp_path / "birds.csv"
    fill_table(folder, table, classifier)
    whole = table.read_bytes()
    assert whole.startswith("\ufefffile,".encode())
    with table.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.reader(file))
    with table.open("w", encoding=mark, newline="") as file:
        csv.writer(file, delimiter=delimiter, lineterminator=end, quoting=quoting).writerows(lines)
    assert "7 were there already" in fill_table(folder, table, classifier)
    assert table.read_bytes() == whole


def test_a_table_of_other_looks_is_refused_and_kept(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    colour_checkpoint(tmp_path / "checkpoints" / "bn", looks=several_looks())
    monkeypatch.setenv("PLUMAGE_CHECKPOINTS", str(tmp_path / "checkpoints"))
    for first, second in (("one", "all"), ("all", "one")):
        out = tmp_path / f"{first}.csv"
        main([str(folder), "--out", str(out), "--looks", first])
        before = out.read_bytes()
        with pytest.raises(SystemExit, match=f"resume it with --looks {first}"):
            main([str(folder), "--out", str(out), "--looks", second])
        assert out.read_bytes() == before
        main([str(folder), "--out", str(out), "--looks", first])
        assert out.read_bytes() == before


def test_a_table_to_which_people_added_a_column_and_changed_cells_is_resumed(
    folder: Path, tmp_path: Path, classifier: Classifier
) -> None:
    table = tmp_path / "birds.csv"
    fill_table(folder, table, classifier)
    with table.open(encoding="utf-8-sig", newline="") as file:
        header, *lines = csv.reader(file)
    lines = [[cell.replace("0.", "0,") for cell in line] + ["by the lake"] for line in lines]
    with table.open("w", encoding="utf-8-sig", newline="") as file:
        csv.writer(file, delimiter=";").writerows([[*header, "notes"], *lines])
    (folder / "new.png").write_bytes(encode(draw_bird(), "PNG"))
    assert "1 photo named, 0 could not be read, 6 were" in fill_table(folder, table, classifier)
    assert [row["notes"] for row in rows(table)] == [*6 * ["by the lake"], None]
    assert "0 photos named, 0 could not be read, 7 were" in fill_table(folder, table, classifier)
