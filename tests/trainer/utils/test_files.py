import json
import math

import pytest

from trainer.utils.files import replacing, write_json


def test_a_file_appears_only_when_it_is_whole(tmp_path):
    path = tmp_path / "new" / "report.json"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert not path.exists()
    assert path.read_text() == "whole"


def test_a_failed_write_keeps_the_old_file_and_leaves_nothing_else(tmp_path):
    path = tmp_path / "report.json"
    path.write_text("old")
    with pytest.raises(OSError, match="full"), replacing(path) as temporary:
        temporary.write_text("half")
        raise OSError("disk full")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["report.json"]


def test_what_is_written_as_json_is_read_as_it_was(tmp_path):
    value = {"value": 0.1, "none": None, "words": ["a", "b"]}
    write_json(tmp_path / "new" / "found.json", value)
    assert json.loads((tmp_path / "new" / "found.json").read_text()) == value


def test_a_number_that_json_lacks_becomes_null(tmp_path):
    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    value = {"means": [0.5, math.nan], "most": {"far": (math.inf, -math.inf)}, "count": 3}
    write_json(tmp_path / "report.json", value)
    read = json.loads((tmp_path / "report.json").read_text(), parse_constant=refuse)
    assert read == {"means": [0.5, None], "most": {"far": [None, None]}, "count": 3}
