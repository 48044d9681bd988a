import json

import pytest

from tests.measurements import result_file
from trainer.report import explain as results_explain


def around(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.01, "high": value + 0.01}


def variant(gain: float, wrong: float, trusted: bool) -> dict:
    rows = [{"method": "random", "stage": 3, "deletion": around(0.5), "insertion": around(0.5)}]
    for stage in (1, 2, 3):
        measures = {"deletion": 0.2, "insertion": 0.6, "likeness": 0.1, "advantage": gain * stage}
        rows.append(
            {"method": "Grad-CAM", "stage": stage} | {k: around(v) for k, v in measures.items()}
        )
    outer = {"right": around(0.2), "wrong": around(wrong), "wrong_less_right": around(wrong - 0.2)}
    return {
        "photos": 200,
        "methods": rows,
        "road": around(0.3),
        "outer": outer,
        "trusted": trusted,
        "confusion": {"Ruddy-Shelduck": {"Ruddy-Shelduck": 50, "Cattle-Egret": 10}},
    }


@pytest.fixture
def checkpoints(tmp_path):
    variants = {"bn": variant(0.1, 0.3, True), "nn": variant(0.2, 0.2, False)}
    result = {"even_outer_share": 0.36, "variants": variants}
    result_file(tmp_path, "explain.json").write_text(json.dumps(result))
    return tmp_path


def test_trust_is_what_the_numbers_say_with_their_intervals(checkpoints):
    text = results_explain.trust(checkpoints)
    assert "heatmaps of `bn` can be trusted" in text
    assert "Those of `nn` fail" in text
    assert "0.30 (0.29 to 0.31)" in text
    assert len(text.splitlines()) == 2 + 2 + 2


def test_methods_are_set_beside_each_other_at_each_stage_over_all_variants(checkpoints):
    *_, row = results_explain.methods(checkpoints).splitlines()
    assert [cell.strip() for cell in row.strip("|").split("|")] == [
        "Grad-CAM",
        "+0.15",
        "+0.30",
        "+0.45",
    ]


def test_only_variants_whose_wrong_answers_look_at_the_rim_more_are_said_to(checkpoints):
    text = results_explain.background(checkpoints)
    assert text.startswith("With wrong answers `bn` look at the rim more")
    assert "more than with right ones; an even map has 36% there" in text  # no word of the report
    assert "30.0 (29.0 to 31.0)" in text


def test_an_even_map_tells_whether_wrong_answers_look_at_the_rim_at_all(tmp_path):
    for wrong, said in ((0.3, True), (0.4, False)):
        result = {"even_outer_share": 0.36, "variants": {"bn": variant(0.1, wrong, True)}}
        result_file(tmp_path, "explain.json").write_text(json.dumps(result))
        assert ("mostly at the middle" in results_explain.background(tmp_path)) == said


def test_mistakes_are_added_up_over_variants(checkpoints):
    *_, row = results_explain.confused(checkpoints).splitlines()
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == ["Ruddy Shelduck", "83", "Cattle Egret (20)"]


def test_without_measures_the_text_says_which_command_makes_them(tmp_path):
    tables = (results_explain.trust, results_explain.methods, results_explain.background)
    for table in (*tables, results_explain.confused):
        assert "python -m trainer.explain" in table(tmp_path)
