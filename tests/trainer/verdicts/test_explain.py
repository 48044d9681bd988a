import pytest

from tests.measurements import draw_explained, score
from trainer.verdicts.explain import conclude


def test_the_best_and_worst_method_are_named_with_their_gain_and_chance_is_left_out():
    said = draw_explained(["bn"])["variants"]["bn"]["sentence"]
    assert said.startswith("Of 4 heatmaps of `bn`, **LayerCAM at stage 1** is most faithful")
    assert "a gain of 0.50 (0.48 to 0.52)" in said
    assert "Grad-CAM at stage 1 least, with 0.10 (0.08 to 0.12)" in said


@pytest.mark.parametrize(
    ("measure", "value"), [("gain", 0.01), ("rank_correlation", 0.49), ("road", 0.01)]
)
def test_a_map_is_faithful_only_where_every_interval_says_so(measure, value):
    found = draw_explained(["bn", "gn"])
    assert found["faithful"].startswith("The heatmaps of all 2 variants are faithful")
    failing = found["variants"]["gn"]
    if measure == "road":
        failing["road"] = score(value)
    else:
        for row in failing["methods"]:
            row |= {measure: score(value)} if measure in row else {}
    found = conclude(found)
    assert [v["verdict"] for v in found["variants"].values()] == ["faithful", "unproven"]
    assert found["faithful"] == "The heatmaps of `bn` are faithful; those of `gn` fail a test."


def test_only_variants_whose_wrong_answers_look_at_the_rim_more_are_said_to():
    found = draw_explained(["bn", "gn"])
    assert found["outside"].startswith("Every variant looks more at the photo's edges")
    found["variants"]["gn"]["outer"]["wrong_less_right"] = score(0.01)
    assert conclude(found)["outside"].startswith("`bn` looks more at the photo's edges")
    del found["variants"]["bn"]["outer"]["wrong_less_right"]
    assert conclude(found)["outside"].startswith("No variant looks")


@pytest.mark.parametrize(("wrong", "less"), [(0.33, True), (0.35, False)])
def test_an_even_map_tells_whether_wrong_answers_look_at_the_rim_at_all(wrong, less):
    found = draw_explained(["bn"])
    found["variants"]["bn"]["outer"]["wrong"] = score(wrong)
    assert ("less than a uniform map would (36%)" in conclude(found)["outside"]) == less
