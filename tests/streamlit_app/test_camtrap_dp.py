import csv
import json
import os
import re
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import frictionless
import jsonschema
import pytest
from PIL import Image

from streamlit_app.batch import TABLE, main
from streamlit_app.camtrap_dp import SCHEMAS, file_path
from streamlit_app.species import FACTS
from tests.conftest import SPECIES, colour_checkpoint, draw_bird, encode

LOCAL = Path(__file__).parent / "camtrap_dp"
PLACE = ["--latitude", "-33.86785", "--longitude", "151.2"]
STANDARD_PATH = re.compile(r"^(?=^[^./~])(^((?!\.{2}).)*$).*$")


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A dated and an undated bird, a wall and an empty file."""
    folder = tmp_path / "River camera 7"
    (folder / "day 1").mkdir(parents=True)
    exif = Image.Exif()
    exif.get_ifd(0x8769)[0x9003] = "2024:05:06 07:08:09"
    (folder / "day 1" / "red.jpg").write_bytes(encode(draw_bird("red"), exif=exif))
    (folder / "blue").write_bytes(encode(draw_bird("blue"), "PNG"))
    (folder / "wall.png").write_bytes(encode(Image.new("RGB", (60, 60), "white"), "PNG"))
    (folder / "empty.jpg").write_bytes(b"")
    return folder


def package_of(photos: Path, out: Path, *flags: str) -> dict[str, Any]:
    """Run the command and return datapackage.json, once the package is found valid."""
    main([str(photos), "--out", str(out), "--format", "camtrap-dp", *flags])
    package = json.loads((out / "datapackage.json").read_text(encoding="utf-8"))
    profile = json.loads((LOCAL / "camtrap-dp-profile.json").read_text(encoding="utf-8"))
    jsonschema.validate(package, profile, format_checker=jsonschema.FormatChecker())
    local = {key: value for key, value in package.items() if key != "profile"}
    local["resources"] = [
        resource | {"schema": json.loads(local_schema(resource["schema"]))}
        for resource in package["resources"]
    ]
    report = frictionless.Package.from_descriptor(local, basepath=str(out)).validate()
    assert report.valid, report.flatten(["type", "message"])
    return package


def local_schema(address: str) -> str:
    assert address.startswith(f"{SCHEMAS}/")
    return (LOCAL / address.rpartition("/")[2]).read_text(encoding="utf-8")


def lines(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, strict=True))


def test_a_package_is_valid_without_flags_and_with_all(
    photos: Path, tmp_path: Path, checkpoints: Path
) -> None:
    plain = package_of(photos, tmp_path / "plain")
    assert plain["spatial"]["type"] == "Polygon"
    (camera,) = lines(tmp_path / "plain" / "deployments.csv")
    assert camera["deploymentID"] == "River camera 7"
    assert camera["timestampIssues"] == "true"
    assert (camera["latitude"], camera["coordinateUncertainty"]) == ("0", "20037509")
    flags = ["--deployment", "cam 7", "--timezone", "Asia/Kolkata", *PLACE]
    told = package_of(photos, tmp_path / "told", *flags)
    assert told["spatial"] == {"type": "Point", "coordinates": [151.2, -33.86785]}
    assert told["temporal"] == {"start": "2024-05-06", "end": "2024-05-06"}
    (camera,) = lines(tmp_path / "told" / "deployments.csv")
    assert camera["deploymentID"] == "cam 7"
    assert camera["deploymentStart"] == "2024-05-06T07:08:09+05:30"
    assert (camera["latitude"], camera["coordinateUncertainty"]) == ("-33.86785", "")


def test_each_photo_is_one_medium_with_one_observation(
    photos: Path, tmp_path: Path, checkpoints: Path
) -> None:
    package_of(photos, tmp_path / "out", "--timezone", "UTC")
    media = {row["filePath"]: row for row in lines(tmp_path / "out" / "media.csv")}
    seen = {row["mediaID"]: row for row in lines(tmp_path / "out" / "observations.csv")}
    table = lines_of_table(tmp_path / "out" / TABLE)
    assert set(media) == set(table) == {"day 1/red.jpg", "blue", "wall.png", "empty.jpg"}
    answers = {path: seen[row["mediaID"]] for path, row in media.items()}
    types = {path: answer["observationType"] for path, answer in answers.items()}
    assert types == {
        "day 1/red.jpg": "animal", "blue": "animal", "wall.png": "unknown",
        "empty.jpg": "unclassified",
    }  # fmt: skip
    red = answers["day 1/red.jpg"]
    assert red["classificationProbability"] == table["day 1/red.jpg"]["probability"]
    assert red["eventStart"] == red["eventEnd"] == "2024-05-06T07:08:09+00:00"
    assert red["classificationMethod"] == "machine"
    assert answers["wall.png"]["classificationProbability"] == ""
    assert answers["wall.png"]["scientificName"] == ""
    assert media["blue"]["fileMediatype"] == "image/png"
    assert "names no date" in media["blue"]["mediaComments"]
    assert "This file is empty" in media["empty.jpg"]["mediaComments"]


def lines_of_table(table: Path) -> dict[str, dict[str, str]]:
    with table.open(encoding="utf-8-sig", newline="") as file:
        return {row["file"]: row for row in csv.DictReader(file)}


def test_scientific_names_are_those_of_the_birds_where_all_classes_are_birds(
    photos: Path, tmp_path: Path, checkpoints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    species = ["Hoopoe", *(name for name in FACTS if name != "Hoopoe")][: len(SPECIES)]
    colour_checkpoint(checkpoints / "bn", species=json.dumps(species))
    package = package_of(photos, tmp_path / "out")
    answers = lines(tmp_path / "out" / "observations.csv")
    names = {row["mediaID"].partition(":")[2]: row["scientificName"] for row in answers}
    assert names["day 1/red.jpg"] == "Upupa epops"
    assert {"scientificName": "Upupa epops", "taxonRank": "species",
            "vernacularNames": {"eng": "Eurasian Hoopoe"}} in package["taxonomic"]  # fmt: skip
    assert "Named as their class" not in capsys.readouterr().out


def test_classes_of_another_set_are_named_as_their_class_even_one_called_as_a_bird(
    photos: Path, tmp_path: Path, checkpoints: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    species = ["Eurasian Hoopoe", "=1+1", *SPECIES[2:]]
    colour_checkpoint(checkpoints / "bn", species=json.dumps(species))
    (photos / "green.jpg").write_bytes(encode(draw_bird("lime")))
    package_of(photos, tmp_path / "out")
    answers = lines(tmp_path / "out" / "observations.csv")
    names = {row["mediaID"].partition(":")[2]: row["scientificName"] for row in answers}
    assert names["day 1/red.jpg"] == "Eurasian Hoopoe"
    assert names["green.jpg"] == "'=1+1"
    told = capsys.readouterr().out
    assert "Named as their class: '=1+1, Blue Bird, Eurasian Hoopoe." in told


def test_what_people_filled_in_stays_when_photos_are_added(
    photos: Path, tmp_path: Path, checkpoints: Path
) -> None:
    out = tmp_path / "out"
    package = package_of(photos, out)
    package["contributors"] = [{"title": "A. Ranger", "role": "contact"}]
    (out / "datapackage.json").write_text(json.dumps(package), encoding="utf-8")
    deployments = (out / "deployments.csv").read_text(encoding="utf-8")
    header, line = deployments.splitlines()
    (camera,) = csv.DictReader([header, line])
    with (out / "deployments.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.DictWriter(file, camera)
        table.writeheader()
        table.writerow(camera | {"habitat": "reeds", "latitude": "12.5"})
    (photos / "new.jpg").write_bytes(encode(draw_bird("lime")))
    package = package_of(photos, out)
    assert package["contributors"][0]["title"] == "A. Ranger"
    (camera,) = lines(out / "deployments.csv")
    assert (camera["habitat"], camera["latitude"]) == ("reeds", "12.5")
    assert len(lines(out / "media.csv")) == 5
    package_of(photos, out, *PLACE)
    (camera,) = lines(out / "deployments.csv")
    assert (camera["habitat"], camera["coordinateUncertainty"]) == ("reeds", "")


def test_a_package_may_lie_in_the_folder_of_its_photos(photos: Path, checkpoints: Path) -> None:
    package_of(photos, photos)
    package_of(photos, photos)
    assert len(lines(photos / "media.csv")) == 4


@pytest.mark.skipif(sys.platform != "linux", reason="other systems forbid such names")
def test_any_file_name_makes_a_valid_path(photos: Path, tmp_path: Path, checkpoints: Path) -> None:
    names = ["=1+1.jpg", "~a.jpg", "a..b.jpg", "-a.jpg", "a\nb.jpg", "हुदहुद.jpg", "'a.jpg"]
    for name in [*names, os.fsdecode(b"latin \xe9.jpg")]:
        (photos / name).write_bytes(encode(draw_bird()))
    package_of(photos, tmp_path / "out")
    paths = {row["filePath"] for row in lines(tmp_path / "out" / "media.csv")}
    assert {"%3D1%2B1.jpg", "%7Ea.jpg", "a%2E%2Eb.jpg", "%2Da.jpg", "a%0Ab.jpg", "हुदहुद.jpg",
            "%27a.jpg", "latin %E9.jpg"} <= paths  # fmt: skip


@pytest.mark.parametrize("name", ["..", "...", "a...b", "~", "-", "@x", "\tx", "a\r"])
def test_a_path_is_as_the_standard_demands_and_no_formula(name: str) -> None:
    path = file_path(name)
    assert STANDARD_PATH.fullmatch(path)
    assert path[0] not in "=+-@'\t\r\n"


def test_photos_without_any_date_are_marked(tmp_path: Path, checkpoints: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(encode(draw_bird()))
    package_of(tmp_path / "photos", tmp_path / "out")
    (camera,) = lines(tmp_path / "out" / "deployments.csv")
    assert camera["timestampIssues"] == "true"
    assert datetime.fromisoformat(camera["deploymentStart"]).year == 1970


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--latitude", "10"], "go together"),
        (["--latitude", "91", "--longitude", "0"], "not between -90 and 90"),
        (["--timezone", "Nowhere/At-all"], "no time zone"),
        (["--timezone", "../etc/passwd"], "no time zone"),
        (["--deployment", "x", "--format", "csv"], "add --format camtrap-dp"),
    ],
)
def test_wrong_flags_are_answered_with_a_sentence(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], flags: list[str], said: str
) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([str(photos), "--out", str(tmp_path / "x"), "--format", "camtrap-dp", *flags])
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err


def test_a_datapackage_that_is_no_json_is_left_alone(
    photos: Path, tmp_path: Path, checkpoints: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "datapackage.json").write_text("{", encoding="utf-8")
    with pytest.raises(SystemExit, match="is not valid JSON: mend or remove it"):
        main([str(photos), "--out", str(tmp_path / "out"), "--format", "camtrap-dp"])
    assert (tmp_path / "out" / "datapackage.json").read_text(encoding="utf-8") == "{"
