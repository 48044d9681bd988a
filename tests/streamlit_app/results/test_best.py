import json
from pathlib import Path

import pytest

from streamlit_app.batch import open_variant
from streamlit_app.results.best import best_first
from tests.conftest import colour_checkpoint
from tests.measurements import write_report

NAMES = dict.fromkeys(("bn", "in", "gn"))


def test_the_most_accurate_on_val_comes_first_and_the_others_keep_their_order(
    tmp_path: Path,
) -> None:
    for name, accuracy in {"bn": 0.7, "in": 0.6, "gn": 0.9}.items():
        (tmp_path / name).mkdir()
        write_report(tmp_path / name, accuracy)
    assert list(best_first(NAMES, tmp_path)) == ["gn", "bn", "in"]


def test_a_score_on_test_photos_chooses_nothing(tmp_path: Path) -> None:
    for name, val, test in (("bn", 0.8, 0.7), ("in", 0.7, 0.99)):
        (tmp_path / name).mkdir()
        write_report(tmp_path / name, val)
        file = tmp_path / name / "report.json"
        report = json.loads(file.read_text())
        report["metrics"]["test"]["accuracy"]["value"] = test
        file.write_text(json.dumps(report))
    assert next(iter(best_first(NAMES, tmp_path))) == "bn"


def test_without_reports_or_with_damaged_ones_the_order_stays(tmp_path: Path) -> None:
    (tmp_path / "gn").mkdir()
    (tmp_path / "gn" / "report.json").write_text("{}")
    assert list(best_first(NAMES, tmp_path)) == ["bn", "in", "gn"]


def test_the_folder_command_asks_the_best_where_none_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PLUMAGE_CHECKPOINTS", str(tmp_path))
    for name, accuracy in {"bn": 0.7, "gn": 0.9}.items():
        write_report(colour_checkpoint(tmp_path / name), accuracy)
    assert open_variant(None).name == "gn"
    assert open_variant("bn").name == "bn"
