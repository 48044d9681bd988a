"""A folder's table as a Camera Trap Data Package, the exchange format of camera trap studies.

Camtrap DP 1.0 (Bubnicki et al. 2023, doi:10.1002/rse2.374; https://camtrap-dp.tdwg.org): a folder
with datapackage.json and the tables deployments, media and observations.
"""

import csv
import json
import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from pathlib import Path, PurePosixPath
from typing import Any, TextIO
from urllib.parse import quote_from_bytes

from plumage.folders import HEADER_BYTES, counted, media_type
from streamlit_app.inference.table import COLUMNS, Row, escape_formula
from streamlit_app.species import FACTS, are_birds

SCHEMAS = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.2"
TABLES = ("deployments", "media", "observations")
PACKAGE = "datapackage.json"
FILES = (PACKAGE, *(f"{table}.csv" for table in TABLES))
DEPLOYMENTS = (
    "deploymentID locationID locationName latitude longitude coordinateUncertainty deploymentStart "
    "deploymentEnd setupBy cameraID cameraModel cameraDelay cameraHeight cameraDepth cameraTilt "
    "cameraHeading detectionDistance timestampIssues baitUse featureType habitat deploymentGroups "
    "deploymentTags deploymentComments"
).split()
MEDIA = (
    "mediaID deploymentID captureMethod timestamp filePath filePublic fileName fileMediatype "
    "exifData favorite mediaComments"
).split()
OBSERVATIONS = (
    "observationID deploymentID mediaID eventID eventStart eventEnd observationLevel "
    "observationType cameraSetupType scientificName count lifeStage sex behavior individualID "
    "individualPositionRadius individualPositionAngle individualSpeed bboxX bboxY bboxWidth "
    "bboxHeight classificationMethod classifiedBy classificationTimestamp "
    "classificationProbability observationTags observationComments"
).split()
# A place is required: for an unknown one, a circle around 0, 0 that holds the whole Earth.
ANYWHERE = {"latitude": "0", "longitude": "0", "coordinateUncertainty": "20037509"}  # metres
EARTH = [[[-180, -90], [180, -90], [180, 90], [-180, 90], [-180, -90]]]
UNDATED = datetime(1970, 1, 1, tzinfo=UTC)  # where no photo has a date
# What the standard takes as a path, on one line, and no formula of a spreadsheet.
_PATH = re.compile(r"(?=[^./~=+\-@'\t])((?!\.{2})[^\r\n])*")
SCIENTIFIC_NAMES = {facts.common_name: facts.scientific_name for facts in FACTS.values()}


@dataclass(frozen=True)
class Deployment:
    """A deployment: the camera's name, its place in degrees (WGS 84), its time zone."""

    name: str
    latitude: float | None = None
    longitude: float | None = None
    timezone: tzinfo | None = None


def write_package(
    package: Path,
    table: Path,
    photos: Path,
    deployment: Deployment,
    classes: Collection[str] = FACTS,
) -> str:
    """Write the answers in a table as a package; what was added to an earlier one by hand stays.

    package: the folder to write to. photos: the folder that the names in the table start from.
    classes: all that the model tells apart; where one is none of the birds, none is named as one.
    Returns: one sentence. Raises: OSError; ValueError where a datapackage.json is none.
    """
    before = _package_before(package / PACKAGE)
    scientific = SCIENTIFIC_NAMES if are_birds(classes) else {}
    times = [moment for row in rows(table) if (moment := _moment(row.taken, deployment.timezone))]
    start, end = min(times, default=UNDATED), max(times, default=UNDATED)
    certain, count = True, 0
    names: set[str] = set()
    with (
        _replacing(package / "media.csv") as media,
        _replacing(package / "observations.csv") as observations,
    ):
        files = csv.DictWriter(media, MEDIA)
        answers = csv.DictWriter(observations, OBSERVATIONS)
        files.writeheader()
        answers.writeheader()
        for row in rows(table):
            certain = certain and _is_certain(row.taken, deployment.timezone)
            moment = _moment(row.taken, deployment.timezone) or start
            file = _file(row, photos, deployment.name, moment)
            answer = _answer(row, file, scientific)
            files.writerow(file)
            answers.writerow(answer)
            names.add(answer["scientificName"])
            count += 1
    names.discard("")
    _write_deployment(package / "deployments.csv", deployment, start, end, certain)
    known = _metadata(package / "deployments.csv", start, end, names)
    text = json.dumps(_placeholders(deployment.name) | before | known, indent=2)
    with _replacing(package / PACKAGE) as description:
        description.write(f"{text}\n")
    said = f"{package / PACKAGE}: a Camera Trap Data Package of {counted(count, 'photo')}."
    without = sorted(names - set(scientific.values()))
    return f"{said} Named as their class: {', '.join(without)}." if without else said


def rows(table: Path) -> Iterator[Row]:
    """The rows of a table, without what escapes them for spreadsheets."""
    with table.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as file:
        lines = csv.reader(file)
        next(lines, None)
        for line in lines:
            filled = dict(zip(COLUMNS, map(_unescaped, line), strict=False))
            cells = dict.fromkeys(COLUMNS, "") | filled
            yield Row(
                file=cells["file"],
                species=cells["species"],
                probability=_number(cells["probability"]),
                second_species=cells["second species"],
                prediction_set=cells["prediction set"],
                taken=cells["taken"],
                error=cells["error"],
                variant=cells["variant"],
            )


def _unescaped(cell: str) -> str:
    """Undo `escape_formula`."""
    return cell[1:] if cell[:1] == "'" and escape_formula(cell[1:]) == cell else cell


def _number(cell: str) -> float | None:
    """A probability, which a spreadsheet may have given a decimal comma."""
    return float(cell.replace(",", ".")) if cell else None


def _moment(taken: str, timezone: tzinfo | None) -> datetime | None:
    """When a photo was taken; without a zone of its own or of the camera, in UTC."""
    try:
        moment = datetime.fromisoformat(taken)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone or UTC)


def _is_certain(taken: str, timezone: tzinfo | None) -> bool:
    """Whether a photo tells its time of day, and its zone is known."""
    dated = "T" in taken and _moment(taken, timezone) is not None
    return dated and bool(timezone or datetime.fromisoformat(taken).tzinfo)


def _file(row: Row, photos: Path, deployment: str, moment: datetime) -> dict[str, str]:
    """A photo's line in the table media."""
    path, kind = file_path(row.file), ""
    with suppress(OSError), (photos / row.file).open("rb") as file:
        kind = media_type(file.read(HEADER_BYTES))
    notes = [row.error]
    if _moment(row.taken, None) is None:
        notes.append("The file names no date: this is the deployment's start.")
    elif "T" not in row.taken:
        notes.append("The file names no time of day.")
    if path != row.file:
        notes.append("The path is percent-encoded.")
    return {
        "mediaID": f"{deployment}:{path}",
        "deploymentID": deployment,
        "timestamp": moment.isoformat(timespec="seconds"),
        "filePath": path,
        "filePublic": "false",
        "fileName": PurePosixPath(path).name,
        "fileMediatype": kind or "image/*",
        "mediaComments": " ".join(filter(None, notes)),
    }


def file_path(name: str) -> str:
    """A photo's path as the standard takes it; percent-encoded where it would not."""
    data = name.encode("utf-8", "surrogateescape")
    if _PATH.fullmatch(name) and data.decode("utf-8", "replace") == name:
        return name
    path = quote_from_bytes(data, safe="/ ").replace("..", "%2E%2E")
    return f"%{ord(path[0]):02X}{path[1:]}" if path[0] in "-.~" else path


def _answer(row: Row, file: Mapping[str, str], scientific: Mapping[str, str]) -> dict[str, str]:
    """A photo's line in the table observations; scientific: names by those of the table."""
    answer = {
        "observationID": file["mediaID"],
        "deploymentID": file["deploymentID"],
        "mediaID": file["mediaID"],
        "eventStart": file["timestamp"],
        "eventEnd": file["timestamp"],
        "observationLevel": "media",
        "observationType": "unclassified",
        "scientificName": "",
    }
    if row.error:
        return answer
    answer |= {
        "observationType": "unknown",
        "classificationMethod": "machine",
        "classifiedBy": f"Plumage {row.variant}",
        "observationComments": f"{row.species}; the nearest is {row.second_species}",
    }
    if row.probability is None:
        return answer
    name = scientific.get(row.species, row.species)
    return answer | {
        "observationType": "animal",
        "scientificName": escape_formula(name),
        "classificationProbability": f"{row.probability:.4f}",
        "observationComments": f"one of: {row.prediction_set}" if ";" in row.prediction_set else "",
    }


def _write_deployment(
    path: Path, deployment: Deployment, start: datetime, end: datetime, certain: bool
) -> None:
    """Write the table of the one deployment; cells that were filled by hand stay."""
    before: dict[str, str] = {}
    if path.exists():
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file)
            before = next((x for x in lines if x.get("deploymentID") == deployment.name), {})
    place = ANYWHERE
    if deployment.latitude is not None:
        place = {"latitude": f"{deployment.latitude}", "longitude": f"{deployment.longitude}"}
        if before.get("coordinateUncertainty") == ANYWHERE["coordinateUncertainty"]:
            del before["coordinateUncertainty"]
    elif before.get("latitude"):
        place = {}
    known = {
        "deploymentID": deployment.name,
        "deploymentStart": start.isoformat(timespec="seconds"),
        "deploymentEnd": end.isoformat(timespec="seconds"),
        "timestampIssues": str(not certain).lower(),
    }
    with _replacing(path) as file:
        table = csv.DictWriter(file, DEPLOYMENTS, extrasaction="ignore")
        table.writeheader()
        table.writerow(before | place | known)


def _package_before(path: Path) -> dict[str, Any]:
    """The datapackage.json of an earlier run, as people have edited it."""
    if not path.exists():
        return {}
    try:
        return dict(json.loads(path.read_text(encoding="utf-8-sig")))
    except (ValueError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is not valid JSON: mend or remove it.") from error


def _placeholders(deployment: str) -> dict[str, Any]:
    """Placeholders of the standard's required values that people fill in."""
    name = re.sub(r"[^a-z0-9._-]+", "-", deployment.lower()).strip("-._")
    return {
        "name": name or "photos",
        "contributors": [{"title": "unknown"}],
        "project": {
            "title": deployment,
            "samplingDesign": "opportunistic",
            "captureMethod": ["activityDetection"],
            "individualAnimals": False,
            "observationLevel": ["media"],
        },
    }


def _metadata(deployments: Path, start: datetime, end: datetime, names: set[str]) -> dict[str, Any]:
    """The content of datapackage.json."""
    with deployments.open(encoding="utf-8", newline="") as file:
        (place,) = csv.DictReader(file)
    point = [float(place["longitude"]), float(place["latitude"])]
    anywhere = place["coordinateUncertainty"] == ANYWHERE["coordinateUncertainty"]
    common = {scientific: name for name, scientific in SCIENTIFIC_NAMES.items()}
    return {
        "profile": f"{SCHEMAS}/camtrap-dp-profile.json",
        "created": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "resources": [
            {
                "name": table,
                "path": f"{table}.csv",
                "profile": "tabular-data-resource",
                "format": "csv",
                "mediatype": "text/csv",
                "encoding": "utf-8",
                "schema": f"{SCHEMAS}/{table}-table-schema.json",
            }
            for table in TABLES
        ],
        "spatial": {"type": "Polygon", "coordinates": EARTH}
        if anywhere
        else {"type": "Point", "coordinates": point},
        "temporal": {"start": start.date().isoformat(), "end": end.date().isoformat()},
        "taxonomic": [
            {
                "scientificName": name,
                "taxonRank": "species",
                "vernacularNames": {"eng": common[name]},
            }
            if name in common
            else {"scientificName": name}
            for name in sorted(names)
        ],
    }


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A file to write to, which takes the place of `path` once the block has succeeded."""
    half = path.with_name(f".{path.name}.part")
    try:
        with half.open("w", encoding="utf-8", newline="") as file:
            yield file
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
