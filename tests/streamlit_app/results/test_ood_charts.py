from pathlib import Path

import altair as alt
import pytest

from streamlit_app.results import ood as doubt
from streamlit_app.results import ood_charts as doubt_charts
from streamlit_app.results.scores import read_reports
from tests.measurements import SEVEN, draw_strangers, write_results


@pytest.fixture
def drawn(tmp_path: Path) -> list[alt.LayerChart]:
    write_results(tmp_path)
    found = draw_strangers(SEVEN)
    strangers, scores = doubt.against_strangers(found), doubt.by_score(found)
    sets = doubt.prediction_sets(read_reports(tmp_path)[0])
    return [
        doubt_charts.stranger_areas(strangers),
        doubt_charts.strangers_accepted(strangers),
        doubt_charts.score_areas(scores),
        doubt_charts.sets_held(sets),
        doubt_charts.set_sizes(sets),
    ]


def test_every_chart_has_a_title_and_says_what_its_axis_measures(
    drawn: list[alt.LayerChart],
) -> None:
    for chart in drawn:
        spec = chart.to_dict()
        assert spec["title"]["text"]
        assert any(layer["encoding"]["x"].get("title") for layer in spec["layer"])


def test_no_interval_is_cut_off(drawn: list[alt.LayerChart]) -> None:
    low, high = drawn[0].to_dict()["layer"][0]["encoding"]["x"]["scale"]["domain"]
    table = doubt.against_strangers(draw_strangers(SEVEN))
    assert low <= table.low.min()
    assert high >= table.high.max()


def test_what_is_promised_is_drawn_beside_what_is_held(drawn: list[alt.LayerChart]) -> None:
    spec = drawn[3].to_dict()
    rules = spec["layer"][0]
    rows = spec["datasets"][rules["data"]["name"]]
    assert {row["promise"] for row in rows} == {0.9, 0.95}
