import json
from pathlib import Path

import pytest

from streamlit_app.results import border as shortcut
from streamlit_app.results.scores import ResultsError
from tests.measurements import draw_shortcut, result_file

FOUND = draw_shortcut()


def test_where_nothing_was_measured_there_is_nothing(tmp_path: Path) -> None:
    assert shortcut.read_shortcut(tmp_path) is None


@pytest.mark.parametrize("missing", ["bordered", "pairs"])
def test_a_file_that_lacks_something_says_which_command_makes_it(
    tmp_path: Path, missing: str
) -> None:
    lacking = {key: value for key, value in FOUND.items() if key != missing}
    result_file(tmp_path, "border.json").write_text(json.dumps(lacking))
    with pytest.raises(ResultsError, match="python -m trainer.studies.border --data PHOTOS"):
        shortcut.read_shortcut(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"bordered": [], "pairs": {"none": {}}}'])
def test_a_damaged_file_says_which_command_makes_it(tmp_path: Path, text: str) -> None:
    result_file(tmp_path, "border.json").write_text(text)
    with pytest.raises(ResultsError, match="damaged"):
        shortcut.read_shortcut(tmp_path)


def test_both_networks_are_asked_about_each_kind_of_photos(tmp_path: Path) -> None:
    result_file(tmp_path, "border.json").write_text(json.dumps(FOUND))
    assert shortcut.read_shortcut(tmp_path) == FOUND
    table = shortcut.accuracies(FOUND, "none")
    assert len(table) == 2 * 2 * 3
    assert set(table.trained) == {"trained on clean photos", "trained on photos with corners"}
    assert table[table.asked == "the 2, clean"].accuracy.tolist() == [0.7, 0.7]
    assert table[table.asked == "the others, with corners"].accuracy.tolist() == [0.5, 0.5]


def test_all_heatmaps_are_there_and_have_one_scale() -> None:
    cells = shortcut.mean_heatmaps(FOUND, "none")
    assert len(cells) == 4 * 16 * 16
    corner = cells[(cells.row == 0) & (cells.column == 0)]
    assert corner.heat.tolist() == [1.5, 1.5, 4, 4]
    assert shortcut.hottest(FOUND) == 4


def test_only_what_costs_more_than_chance_is_called_a_shortcut() -> None:
    assert "the corners became a shortcut" in shortcut.verdict(FOUND, "none")
    assert "by -30.0 (-32.0 to -28.0) points" in shortcut.verdict(FOUND, "none")
    assert "no shortcut that shows" in shortcut.verdict(FOUND, "crops")
