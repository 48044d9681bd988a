import base64
import csv
import io
import json
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import streamlit as st
from PIL import Image
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_uploaded_file_manager import MemoryUploadedFileManager
from streamlit.runtime.scriptrunner import StopException
from streamlit.testing.v1 import AppTest

from plumage.folders import list_photo_set
from streamlit_app.inference import table as tables
from streamlit_app.inference.classifier import CheckpointError, Classifier
from streamlit_app.inference.table import COLUMNS, File, Row, rows_of
from streamlit_app.views.parts import table
from tests.conftest import SPECIES, colour_checkpoint, draw_bird, encode

ROOT = Path(__file__).parents[3]
BIRDS = {f"{colour}.jpg": encode(draw_bird(colour)) for colour in ("red", "lime", "blue")}


class Page:
    """The page, its table and its downloads; `corrections` are made by hand, file to species."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, heading: str = "Species") -> None:
        self.heading = heading  # of the column of classes
        app = AppTest.from_file(str(ROOT / "streamlit_app" / "main.py"), default_timeout=300)
        self.app = app.switch_page("views/many.py")
        self.corrections: dict[str, str] = {}
        self.downloads: dict[str, bytes | Callable[[], bytes]] = {}
        self.table = pd.DataFrame()
        self.options: list[str] = []
        monkeypatch.setattr(st, "data_editor", self.edit)
        monkeypatch.setattr(st, "download_button", self.offer)
        self.run()

    def edit(self, table: pd.DataFrame, **options: dict[str, dict]) -> pd.DataFrame:
        self.options = options["column_config"][self.heading]["type_config"]["options"]
        self.table = table.copy()
        for file, species in self.corrections.items():
            self.table.loc[self.table["File"] == file, self.heading] = species
        return self.table

    def offer(self, _: str, data: bytes, name: str, *__: str, **___: str) -> None:
        self.downloads[name] = data

    def run(self) -> None:
        self.table = pd.DataFrame()
        self.app.run()
        assert not self.app.exception

    def drop(self, files: dict[str, bytes]) -> None:
        self.app.file_uploader(key="photos").set_value(
            [(name, data, "image/jpeg") for name, data in files.items()]
        )
        self.run()

    def species(self) -> dict[str, str]:
        return dict(zip(self.table["File"], self.table[self.heading], strict=True))

    def csv(self) -> list[dict[str, str]]:
        table = self.downloads["birds.csv"]
        assert table.startswith(b"\xef\xbb\xbf")  # has Excel read it as UTF-8
        return list(csv.DictReader(io.StringIO(table.decode("utf-8-sig"))))

    def zip(self) -> zipfile.ZipFile:
        return zipfile.ZipFile(io.BytesIO(self.downloads["birds.zip"]()))

    def words(self) -> str:
        return " ".join(text.value for text in self.app.markdown)


@pytest.fixture
def page(checkpoints: Path, files: MediaFileManager, monkeypatch: pytest.MonkeyPatch) -> Page:
    return Page(monkeypatch)


def test_without_photos_the_page_says_what_it_gives_and_the_command_for_more(page: Page) -> None:
    assert "table" in page.words()
    assert "streamlit_app.batch" in page.app.code[0].value
    assert page.table.empty


def test_each_photo_is_a_row_with_its_thumbnail_species_and_second_guess(page: Page) -> None:
    page.drop(BIRDS)
    assert page.species() == {
        "red.jpg": "Red Bird",
        "lime.jpg": "Green Bird",
        "blue.jpg": "Blue Bird",
    }
    assert page.table["Confidence"].between(80, 90).all()
    assert page.table["Second guess"].str.endswith("Bird").all()
    data = base64.b64decode(page.table["Photo"][0].partition(",")[2])
    assert Image.open(io.BytesIO(data)).convert("RGB").getpixel((30, 30))[0] > 200
    birds = sorted(name for name in SPECIES)
    assert page.options == [*birds, "No bird of these 6"]
    assert "3 photos named." in page.words()


def test_a_bad_file_is_one_row_that_says_why_before_the_others(page: Page) -> None:
    page.drop({**BIRDS, "bad.jpg": b"no photo"})
    assert page.table["File"][0] == "bad.jpg"
    assert "not a photo" in page.table["Note"][0]
    assert page.table["Species"][0] == "Not read"
    assert "3 photos named, 1 could not be read." in page.words()
    assert "apart/not read/bad.jpg" in page.zip().namelist()
    assert not page.csv()[3]["corrected species"]


def test_a_note_names_the_species_among_which_the_bird_is_where_there_are_several(
    page: Page, checkpoints: Path
) -> None:
    colour_checkpoint(checkpoints / "bn", set_thresholds=json.dumps({"0.9": 0.5, "0.95": 0.1}))
    page.drop({**BIRDS, "grey.jpg": encode(Image.new("RGB", (64, 64), (128, 128, 128)))})
    for row, note in zip(page.csv(), page.table["Note"], strict=True):
        assert note == (
            f"Usually one of: {row['prediction set']}" if ";" in row["prediction set"] else ""
        )
    assert any(page.table["Note"])
    assert not all(page.table["Note"])


def test_a_photo_of_no_bird_says_so_and_has_a_folder_of_its_own(page: Page) -> None:
    page.drop({**BIRDS, "wall.jpg": encode(Image.new("RGB", (60, 60), "white"))})
    assert page.species()["wall.jpg"] == "No bird of these 6"
    assert "apart/none of these/wall.jpg" in page.zip().namelist()


def test_when_a_photo_was_taken_stands_in_its_row(page: Page) -> None:
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    page.drop({"taken.jpg": encode(draw_bird(), exif=exif), **BIRDS})
    assert page.table["Taken"][0] == pd.Timestamp("2024-05-06 07:08:09")
    assert page.csv()[0]["taken"] == "2024-05-06T07:08:09"


def test_a_corrected_row_changes_table_folder_and_summary_and_keeps_the_first_answer(
    page: Page,
) -> None:
    page.corrections["red.jpg"] = "Cyan Bird"
    page.drop(BIRDS)
    assert "1 corrected by hand" in page.words()
    first, *others = page.csv()
    assert list(first) == [*COLUMNS, "corrected species"]
    assert (first["species"], first["corrected species"]) == ("Red Bird", "Cyan Bird")
    assert all(not row["corrected species"] for row in others)
    assert sorted(page.zip().namelist()) == [
        "train/Blue Bird/blue.jpg", "train/Cyan Bird/red.jpg", "train/Green Bird/lime.jpg",
    ]  # fmt: skip
    assert page.zip().read("train/Cyan Bird/red.jpg") == BIRDS["red.jpg"]


def test_the_corrected_zip_is_training_data_and_all_else_lies_apart(
    page: Page, tmp_path: Path
) -> None:
    page.corrections["red.jpg"] = "Cyan Bird"
    white = encode(Image.new("RGB", (60, 60), "white"))
    page.drop({**BIRDS, "wall.jpg": white, "bad.jpg": b"no photo"})
    page.zip().extractall(tmp_path / "birds")
    found = list_photo_set(tmp_path / "birds").photos
    assert {photo.parts[1:] for photo in found["train"]} == {
        ("Blue Bird", "blue.jpg"), ("Cyan Bird", "red.jpg"), ("Green Bird", "lime.jpg"),
    }  # fmt: skip
    assert {photo.name for photo in found["apart"]} == {"wall.jpg", "bad.jpg"}
    assert not found.keys() & {"val", "test"}


def test_a_correction_outlives_the_filter_that_hid_it_and_can_be_undone(page: Page) -> None:
    page.corrections["red.jpg"] = "Cyan Bird"
    page.drop(BIRDS)
    page.corrections.clear()
    page.app.multiselect[0].set_value(["Blue Bird"])
    page.run()
    assert list(page.species()) == ["blue.jpg"]
    assert len(page.csv()) == 3
    page.app.multiselect[0].set_value([])
    page.run()
    assert page.species()["red.jpg"] == "Cyan Bird"
    page.corrections["red.jpg"] = "Red Bird"
    page.run()
    assert "corrected" not in page.words()


def test_only_the_unsure_photos_can_be_shown(page: Page) -> None:
    page.drop({**BIRDS, "grey.jpg": encode(Image.new("RGB", (64, 64), (128, 128, 128)))})
    page.app.slider[0].set_value(50)
    page.run()
    assert list(page.species()) == ["grey.jpg"]
    page.app.slider[0].set_value(5)
    page.run()
    assert page.table.empty
    assert page.app.info


def test_photos_answered_before_are_not_asked_again(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.drop(BIRDS)
    monkeypatch.setattr(Classifier, "classify", lambda *_: pytest.fail("the model was run again"))
    page.app.multiselect[0].set_value(["Red Bird"])
    page.run()
    assert len(page.table) == 1


def test_another_variant_answers_anew(page: Page, checkpoints: Path) -> None:
    colour_checkpoint(checkpoints / "gn", temperature="4")
    page.drop(BIRDS)
    sure = page.table["Confidence"]
    page.app.selectbox(key="variant").set_value("gn")
    page.run()
    assert (page.table["Confidence"] < sure).all()


def test_beyond_the_limit_the_first_photos_are_named_and_the_others_forgotten(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    forgotten: list[str] = []
    monkeypatch.setattr(
        MemoryUploadedFileManager, "remove_file", lambda _, visit, file: forgotten.append(file)
    )
    page.drop({f"{number}.jpg": BIRDS["red.jpg"] for number in range(205)})
    assert len(page.table) == 200
    (warning,) = page.app.warning
    assert "first 200 of your 205" in warning.value
    assert len(set(forgotten)) == 5


def test_what_was_named_before_an_interruption_is_not_asked_again(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, asked = rows_of, []

    def answer(
        classifier: Classifier, files: list[File], thumbnails: bool
    ) -> Iterator[tuple[Row, str]]:
        asked.append(len(files))
        for found in real(classifier, files, thumbnails):
            yield found
            if len(asked) == 1:
                raise StopException  # as where the browser goes away

    monkeypatch.setattr(tables, "rows_of", answer)
    page.drop(BIRDS)
    page.run()
    assert asked == [3, 2]
    assert len(page.table) == 3


def test_a_model_that_fails_is_named_and_another_can_be_chosen(
    page: Page, checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    colour_checkpoint(checkpoints / "gn")
    real = tables.classify_files

    def classify(checkpoint: Path, *arguments: Any) -> list[dict[str, Any]]:
        if checkpoint.name == "bn":
            raise CheckpointError("The checkpoint bn cannot answer in 20 seconds.")
        return real(checkpoint, *arguments)

    monkeypatch.setattr(tables, "classify_files", classify)
    page.drop(BIRDS)
    (error,) = page.app.error
    assert "The checkpoint bn cannot answer" in error.value.replace("\\", "")
    page.app.selectbox(key="variant").set_value("gn")
    page.run()
    assert len(page.table) == 3
    assert not page.app.error


def test_a_row_is_opened_on_identify_and_the_table_is_there_on_coming_back(
    page: Page, monkeypatch: pytest.MonkeyPatch
) -> None:
    page.drop(BIRDS)
    monkeypatch.setattr(table, "clicked_row", lambda: 1)
    page.run()
    assert page.app.header[0].value == "Green Bird, 85%"
    assert page.app.session_state.given.name == "lime.jpg"


def test_a_name_that_a_spreadsheet_would_compute_is_harmless_in_the_download(page: Page) -> None:
    page.drop({"=1+1.jpg": BIRDS["red.jpg"]})
    assert page.csv()[0]["file"] == "'=1+1.jpg"
    assert page.zip().namelist() == ["train/Red Bird/=1+1.jpg"]


def test_no_checkpoint_is_explained_with_the_command_that_makes_one(
    page: Page, checkpoints: Path
) -> None:
    (checkpoints / "bn" / "model.onnx").unlink()
    page.run()
    assert "python -m trainer --norm bn --data PHOTOS" in page.app.error[0].value


def test_the_table_of_another_set_has_its_noun_and_names_as_written(
    checkpoints: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flowers = ["Gray-Wagtail", "rose", "tulip", "iris", "lily", "aster"]  # one called as a bird
    colour_checkpoint(checkpoints / "bn", species=json.dumps(flowers), noun="flower")
    page = Page(monkeypatch, "Flower")
    page.drop({"red.jpg": BIRDS["red.jpg"]})
    assert page.species() == {"red.jpg": "Gray-Wagtail"}
    assert page.app.multiselect[0].label == "Show only these flowers"
    assert {"flowers.csv", "flowers.zip"} == page.downloads.keys()
