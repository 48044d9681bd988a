import json
from pathlib import Path
from typing import Any

import pytest

from streamlit_app import trust
from streamlit_app.results import ResultsError
from tests.measurements import draw_trust

FOUND = draw_trust(["bn", "gn"])


def test_where_nothing_was_measured_there_is_nothing(tmp_path: Path) -> None:
    assert trust.read_trust(tmp_path) is None
    assert trust.gains(FOUND, "nn").empty


@pytest.mark.parametrize(
    "found", ["", [], {"variants": {}}, FOUND | {"variants": {"bn": {"outer": {}}}}]
)
def test_a_damaged_file_says_which_command_makes_it(tmp_path: Path, found: Any) -> None:
    (tmp_path / "explain.json").write_text(json.dumps(found) if found != "" else "")
    with pytest.raises(ResultsError, match="python -m trainer.explain --data PHOTOS"):
        trust.read_trust(tmp_path)


def test_a_variant_that_is_never_wrong_has_no_share_of_wrong_answers(tmp_path: Path) -> None:
    found = draw_trust(["bn", "gn"])
    del found["variants"]["gn"]["outer"]["wrong"]
    (tmp_path / "explain.json").write_text(json.dumps(found))
    assert trust.read_trust(tmp_path) == found
    table = trust.outer_shares(found)
    assert table.to_dict("records") == [
        {"variant": "bn", "right answers": 0.1, "wrong answers": 0.2}
    ]


def test_the_best_method_stands_first_and_chance_is_left_out() -> None:
    table = trust.gains(FOUND, "bn")
    assert list(dict.fromkeys(table.method)) == ["LayerCAM", "Grad-CAM"]
    assert set(table.stage) == {"stage 1", "stage 3"}
    assert (table.low < table.gain).all()


def test_both_charts_have_a_title_and_say_what_their_axis_measures() -> None:
    for chart in (
        trust.outer_chart(trust.outer_shares(FOUND), FOUND["even_outer_share"]),
        trust.gain_chart(trust.gains(FOUND, "bn"), "bn"),
    ):
        spec = chart.to_dict()
        assert spec["title"]["text"]
        assert any(layer["encoding"]["x"].get("title") for layer in spec["layer"])
