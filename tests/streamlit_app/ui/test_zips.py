import io
import os
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamlit_app.ui.zips import write_zip


def test_a_zip_is_sorted_into_folders_and_keeps_the_bytes(tmp_path: Path) -> None:
    with (tmp_path / "birds.zip").open("wb") as file:
        write_zip(file, [(["Hoopoe"], "a.jpg", b"1"), (["House Crow"], "a.jpg", b"2")])
    with zipfile.ZipFile(tmp_path / "birds.zip") as archive:
        assert archive.namelist() == ["Hoopoe/a.jpg", "House Crow/a.jpg"]
        assert archive.read("House Crow/a.jpg") == b"2"


def zipped(*photos: tuple[str, str]) -> list[str]:
    file = io.BytesIO()
    write_zip(file, [([folder], name, b"") for folder, name in photos])
    with zipfile.ZipFile(file) as archive:
        return archive.namelist()


def test_photos_of_one_name_are_numbered_also_where_only_the_case_differs() -> None:
    names = ["a.jpg", "A.jpg", "b/a.jpg", "a (2).jpg"]
    found = zipped(*(("Hoopoe", name) for name in names))
    assert len({name.lower() for name in found}) == 4
    assert found[:3] == ["Hoopoe/a.jpg", "Hoopoe/A (2).jpg", "Hoopoe/a (3).jpg"]


@pytest.mark.parametrize(
    ("name", "safe"),
    [
        ("../../etc/passwd", "passwd"),
        ("C:\\photos\\a.jpg", "a.jpg"),
        ("..", "_"),
        ("", "_"),
        (".htaccess", "htaccess"),
        ("con.jpg", "_con.jpg"),
        ("a<b>:c|?*.jpg", "a_b__c___.jpg"),
        ("a\0\n\u202egpj.exe", "a___gpj.exe"),
        ("हुदहुद 1.jpg", "हुदहुद 1.jpg"),
        (os.fsdecode(b"\xe9.jpg"), "_.jpg"),
        ("St. Lucia.jpg. ", "St. Lucia.jpg"),
        ("a\u200e\u200f\u061c\u2028\u2029.jpg", "a_____.jpg"),
        ("क्\u200dष.jpg", "क्\u200dष.jpg"),
    ],
)
def test_a_name_in_a_zip_is_a_plain_file_on_every_system(name: str, safe: str) -> None:
    assert zipped(("Hoopoe", name)) == [f"Hoopoe/{safe}"]


def test_folders_lie_in_folders() -> None:
    file = io.BytesIO()
    write_zip(file, [(["train", "a"], "1.jpg", b""), (["apart", "a"], "1.jpg", b"")])
    with zipfile.ZipFile(file) as archive:
        assert archive.namelist() == ["train/a/1.jpg", "apart/a/1.jpg"]


@given(st.text(st.characters(exclude_categories=[])), st.text(st.characters(exclude_categories=[])))
def test_no_name_leaves_the_zip(folder: str, name: str) -> None:
    (place,) = zipped((folder, name))
    parts = place.split("/")
    assert len(parts) == 2
    assert all(part.strip(" .") == part != "" and len(part.encode()) < 256 for part in parts)


def test_folders_whose_names_only_differ_in_what_a_system_forbids_stay_apart() -> None:
    folders = ["Crow?", "Crow*", "crow_", "Crow?", f"a{'b' * 70}", f"c{'b' * 70}"]
    found = [place.rsplit("/", 1)[0] for place in zipped(*((name, "a.jpg") for name in folders))]
    assert len({name.casefold() for name in found}) == 5
    assert found[0] == found[3]
