import json
from pathlib import Path
from typing import Any

import pytest

from streamlit_app.results import saliency
from streamlit_app.results.reading import ResultsError
from tests.measurements import draw_explained, result_file

FOUND = draw_explained(["bn", "gn"])


def test_where_nothing_was_measured_there_is_nothing(tmp_path: Path) -> None:
    assert saliency.read_explained(tmp_path) is None
    assert saliency.methods_sentence(FOUND, "nn") == ""


@pytest.mark.parametrize(
    "found", ["", [], {"variants": {}}, FOUND | {"variants": {"bn": {"outer": {}}}}]
)
def test_a_damaged_file_says_which_command_makes_it(tmp_path: Path, found: Any) -> None:
    result_file(tmp_path, "explain.json").write_text(json.dumps(found) if found != "" else "")
    with pytest.raises(ResultsError, match="python -m trainer.explain --data PHOTOS"):
        saliency.read_explained(tmp_path)


def test_a_variant_that_is_never_wrong_has_no_share_of_wrong_predictions(tmp_path: Path) -> None:
    found = draw_explained(["bn", "gn"])
    del found["variants"]["gn"]["outer"]["wrong"]
    result_file(tmp_path, "explain.json").write_text(json.dumps(found))
    assert saliency.read_explained(tmp_path) == found
    table = saliency.outer_shares(found)
    assert table.to_dict("records") == [
        {"variant": "bn", "correct predictions": 0.1, "wrong predictions": 0.2}
    ]


def test_the_sentence_on_methods_is_the_trainers() -> None:
    assert saliency.methods_sentence(FOUND, "bn") == FOUND["variants"]["bn"]["sentence"]


def test_the_chart_has_a_title_and_says_what_its_axis_measures() -> None:
    spec = saliency.outer_chart(saliency.outer_shares(FOUND), FOUND["even_outer_share"]).to_dict()
    assert spec["title"]["text"]
    assert any(layer["encoding"]["x"].get("title") for layer in spec["layer"])
