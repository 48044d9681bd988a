from pathlib import Path

import pytest

from streamlit_app.results import reading
from tests.measurements import write_report


def test_reports_come_in_the_studys_order_whichever_are_there(tmp_path: Path) -> None:
    for name in ("mine", "torch-bn", "gn", "bn"):
        write_report(tmp_path / name)
    (tmp_path / "nn").mkdir()  # still training
    reports, faults = reading.read_reports(tmp_path)
    assert list(reports) == ["bn", "gn", "torch-bn", "mine"]
    assert not faults


@pytest.mark.parametrize("text", ["", "{", "[]", '{"metrics": {}}', '{"metrics": 3}'])
def test_a_damaged_report_is_named_and_the_others_are_read(tmp_path: Path, text: str) -> None:
    write_report(tmp_path / "bn")
    write_report(tmp_path / "gn")
    (tmp_path / "gn" / "report.json").write_text(text)
    reports, (fault,) = reading.read_reports(tmp_path)
    assert list(reports) == ["bn"]
    assert "gn/report.json is damaged" in fault


@pytest.mark.parametrize(
    ("names", "words"), [(["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_names_are_listed_as_in_a_sentence(names: list[str], words: str) -> None:
    assert reading.join_words(names) == words
