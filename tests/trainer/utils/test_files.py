import json
import math

import pytest

from trainer.utils.files import replacing, replacing_folder, write_json


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


def test_a_folder_is_replaced_whole(tmp_path):
    folder = tmp_path / "gallery" / "bn"
    for number in range(2):
        with replacing_folder(folder) as temporary:
            (temporary / f"{number}.txt").write_text("whole")
            assert folder.exists() == (number == 1)
        assert [path.name for path in folder.iterdir()] == [f"{number}.txt"]
    assert [path.name for path in folder.parent.iterdir()] == ["bn"]


def test_a_failed_replacement_keeps_the_old_folder(tmp_path):
    folder = tmp_path / "bn"
    folder.mkdir()
    (folder / "old.txt").write_text("old")
    with pytest.raises(OSError, match="full"), replacing_folder(folder) as temporary:
        (temporary / "new.txt").write_text("half")
        raise OSError("disk full")
    assert [path.name for path in tmp_path.rglob("*")] == ["bn", "old.txt"]


def test_a_folder_is_there_again_after_a_stop_between_the_renames(tmp_path):
    folder, old = tmp_path / "bn", tmp_path / ".bn.old"
    old.mkdir()
    (old / "old.txt").write_text("old")
    with pytest.raises(OSError, match="full"), replacing_folder(folder):
        assert (folder / "old.txt").exists()
        raise OSError("disk full")
    assert (folder / "old.txt").exists()
