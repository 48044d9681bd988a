import pytest

from streamlit_app.results import border as shortcut
from streamlit_app.results import border_charts as shortcut_charts
from tests.measurements import draw_shortcut

FOUND = draw_shortcut()


@pytest.mark.parametrize("way", FOUND["pairs"])
def test_both_charts_have_a_title_that_says_how_was_trained(way: str) -> None:
    table, cells = shortcut.accuracies(FOUND, way), shortcut.mean_heatmaps(FOUND, way)
    for chart in (
        shortcut_charts.accuracy_by_photos(table, "trained on whole photos"),
        shortcut_charts.heatmap_grid(cells, "trained on whole photos", 4),
    ):
        assert "trained on whole photos" in chart.to_dict()["title"]["text"]


def test_the_heatmaps_have_a_legend_and_the_scale_that_they_are_given() -> None:
    cells = shortcut.mean_heatmaps(FOUND, "none")
    colour = shortcut_charts.heatmap_grid(cells, "", 7.5).to_dict()["encoding"]["color"]
    assert colour["scale"] == {"scheme": "inferno", "domain": [0, 7.5]}
    assert colour["legend"]["title"] == "heat, times an even map's"
