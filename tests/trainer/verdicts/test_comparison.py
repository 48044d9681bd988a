from typing import Any

import pytest

from trainer.verdicts.comparison import conclude


def score(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


def concluded(accuracies: dict[str, float], *pairs: tuple[str, str, int, int, float]) -> dict:
    names = ("a", "b", "only_a_right", "only_b_right", "p_holm")
    error = {"before": 0.1, "after": 0.02}
    variants: dict[str, Any] = {
        name: {"accuracy": score(accuracy), "calibration_error": error}
        for name, accuracy in accuracies.items()
    }
    variants["consensus"] = {"accuracy": score(0.99), "calibration_error": error}
    return conclude(
        {
            "photos": 1500,
            "models": dict.fromkeys(accuracies, "digest"),
            "variants": variants,
            "pairs": [dict(zip(names, pair, strict=True)) for pair in pairs],
        }
    )


def test_a_lead_is_in_shares_of_photos_and_signed():
    found = concluded({"bn": 0.8, "gn": 0.9}, ("bn", "gn", 3, 15, 0.04))
    (pair,) = found["pairs"]
    assert pair["lead"] == -12 / 1500
    assert pair["differ"]


@pytest.mark.parametrize(("p", "verdict"), [(0.04, "ahead"), (0.06, "tied")])
def test_the_best_variant_is_ahead_only_of_those_that_differ_by_more_than_chance(p, verdict):
    found = concluded({"bn": 0.8, "gn": 0.9}, ("bn", "gn", 3, 15, p))
    assert (found["best"], found["verdict"]) == ("gn", verdict)
    assert found["tied"] == ([] if verdict == "ahead" else ["bn"])
    start = "Group norm (`gn`) is most accurate: 90.0% of 1,500 test photos"
    end = {
        "ahead": ", significantly ahead of every other variant.",
        "tied": ". Its lead over `bn` is not significant.",
    }[verdict]
    assert found["sentence"] == start + end


def test_pairs_without_the_best_variant_tie_nothing():
    pairs = (("bn", "gn", 1, 9, 0.01), ("bn", "in", 4, 4, 1.0), ("gn", "in", 9, 1, 0.01))
    assert concluded({"bn": 0.8, "gn": 0.9, "in": 0.8}, *pairs)["verdict"] == "ahead"


def test_one_variant_leads_nobody():
    found = concluded({"mine": 0.8})
    assert found["verdict"] == "single"
    assert found["sentence"] == "`mine` has 80.0% of 1,500 test photos right."


def test_calibration_errors_are_told_before_and_after():
    assert "from 10.0%-10.0% to 2.0%-2.0%" in concluded({"bn": 0.8})["calibration"]
