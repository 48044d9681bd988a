import json
from pathlib import Path
from typing import Any

import pytest

from streamlit_app.results import saliency as trust
from streamlit_app.results.scores import ResultsError
from tests.measurements import draw_trust, result_file

FOUND = draw_trust(["bn", "gn"])


def test_where_nothing_was_measured_there_is_nothing(tmp_path: Path) -> None:
    assert trust.read_trust(tmp_path) is None
    assert trust.best_method(FOUND, "nn") == ""


@pytest.mark.parametrize(
    "found", ["", [], {"variants": {}}, FOUND | {"variants": {"bn": {"outer": {}}}}]
)
def test_a_damaged_file_says_which_command_makes_it(tmp_path: Path, found: Any) -> None:
    result_file(tmp_path, "explain.json").write_text(json.dumps(found) if found != "" else "")
    with pytest.raises(ResultsError, match="python -m trainer.explain --data PHOTOS"):
        trust.read_trust(tmp_path)


def test_a_variant_that_is_never_wrong_has_no_share_of_wrong_answers(tmp_path: Path) -> None:
    found = draw_trust(["bn", "gn"])
    del found["variants"]["gn"]["outer"]["wrong"]
    result_file(tmp_path, "explain.json").write_text(json.dumps(found))
    assert trust.read_trust(tmp_path) == found
    table = trust.outer_shares(found)
    assert table.to_dict("records") == [
        {"variant": "bn", "right answers": 0.1, "wrong answers": 0.2}
    ]


def test_the_best_method_is_named_with_its_gain_and_chance_is_left_out() -> None:
    said = trust.best_method(FOUND, "bn")
    assert "Of 4 ways to draw a map of `bn`, **LayerCAM at stage 1** finds most" in said
    assert "Grad-CAM at stage 1 least" in said
    assert "0.50 (0.48 to 0.52) and 0.10 (0.08 to 0.12)" in said


def test_the_chart_has_a_title_and_says_what_its_axis_measures() -> None:
    spec = trust.outer_chart(trust.outer_shares(FOUND), FOUND["even_outer_share"]).to_dict()
    assert spec["title"]["text"]
    assert any(layer["encoding"]["x"].get("title") for layer in spec["layer"])
