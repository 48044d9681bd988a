import json
from pathlib import Path

import pytest

from streamlit_app.results import border
from streamlit_app.results.reading import ResultsError
from tests.measurements import draw_border, result_file

FOUND = draw_border()


def test_where_nothing_was_measured_there_is_nothing(tmp_path: Path) -> None:
    assert border.read_border(tmp_path) is None


@pytest.mark.parametrize("missing", ["species", "rows", "heatmaps", "verdicts"])
def test_a_file_that_lacks_something_says_which_command_makes_it(
    tmp_path: Path, missing: str
) -> None:
    lacking = {key: value for key, value in FOUND.items() if key != missing}
    result_file(tmp_path, "border.json").write_text(json.dumps(lacking))
    with pytest.raises(ResultsError, match="python -m trainer.studies.border --data PHOTOS"):
        border.read_border(tmp_path)


@pytest.mark.parametrize("text", ["", "[]", '{"species": [], "verdicts": [{}]}'])
def test_a_damaged_file_says_which_command_makes_it(tmp_path: Path, text: str) -> None:
    result_file(tmp_path, "border.json").write_text(text)
    with pytest.raises(ResultsError, match="damaged"):
        border.read_border(tmp_path)


def test_both_networks_are_asked_about_each_kind_of_photos(tmp_path: Path) -> None:
    result_file(tmp_path, "border.json").write_text(json.dumps(FOUND))
    assert border.read_border(tmp_path) == FOUND
    table = border.accuracies(FOUND, "none")
    assert len(table) == 2 * 2 * 3
    assert table.trained.tolist() == [*border.TRAINED.values()] * 6
    assert table.asked.tolist()[::2] == [
        f"{group}, {asked}"
        for group in ("the 2", "the others")
        for asked in ("clean", "with corners", "turned, corners filled")
    ]
    assert table[table.asked == "the 2, clean"].accuracy.tolist() == [0.7, 0.7]
    assert table[table.asked == "the others, with corners"].accuracy.tolist() == [0.5, 0.5]


def test_all_heatmaps_are_there_and_have_one_scale() -> None:
    cells = border.mean_heatmaps(FOUND, "none")
    assert len(cells) == 4 * 16 * 16
    corner = cells[(cells.row == 0) & (cells.column == 0)]
    assert corner.heat.tolist() == [1.5, 1.5, 4, 4]
    assert border.hottest(FOUND) == 4


def test_the_sentences_are_the_trainers() -> None:
    assert border.verdicts(FOUND) == {
        row["augmentation"]: row["sentence"] for row in FOUND["verdicts"]
    }


@pytest.mark.parametrize("way", ["none", "crops"])
def test_both_charts_have_a_title_that_says_how_was_trained(way: str) -> None:
    table, cells = border.accuracies(FOUND, way), border.mean_heatmaps(FOUND, way)
    for chart in (
        border.accuracy_by_photos(table, "trained on whole photos"),
        border.heatmap_grid(cells, "trained on whole photos", 4),
    ):
        assert "trained on whole photos" in chart.to_dict()["title"]["text"]


def test_the_heatmaps_have_a_legend_and_the_scale_that_they_are_given() -> None:
    cells = border.mean_heatmaps(FOUND, "none")
    colour = border.heatmap_grid(cells, "", 7.5).to_dict()["encoding"]["color"]
    assert colour["scale"] == {"scheme": "inferno", "domain": [0, 7.5]}
    assert colour["legend"]["title"] == "heat relative to a uniform map"
