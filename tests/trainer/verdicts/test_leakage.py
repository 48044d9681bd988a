from typing import Any

import pytest

from trainer.verdicts.leakage import conclude


def concluded(scores: dict[str, tuple[float, ...]], near: int = 900) -> dict[str, Any]:
    rows = [
        {"variant": name, "near_duplicate": kind, "accuracy": share}
        for name, shares in scores.items()
        for kind, share in zip((True, False), shares, strict=False)
    ]
    counts = {"photos": {"test": 1500}, "with_near_duplicate": {"test": near}}
    return conclude(counts | {"rows": rows})


def test_a_gap_is_claimed_by_a_test_of_two_shares_after_holms_correction():
    found = concluded({"bn": (0.9, 0.8), "gn": (0.85, 0.81), "in": (0.8, 0.8), "nn": (1.0, 1.0)})
    tests = {row["variant"]: row for row in found["tests"]}
    assert tests["gn"]["p"] == pytest.approx(0.041, abs=5e-4)
    assert tests["gn"]["p_holm"] == pytest.approx(3 * tests["gn"]["p"])
    assert tests["nn"]["p"] == 1
    assert {name: row["verdict"] for name, row in tests.items()} == {
        "bn": "inflated",
        "gn": "no difference",
        "in": "no difference",
        "nn": "no difference",
    }
    assert found["verdict"] == "inflated"
    assert found["sentence"].startswith(
        "900 of 1,500 test photos (60%) have a near-duplicate in train. `nn` scores 100.0% on them"
    )
    assert found["sentence"].endswith("significant for 1 of 4 variants.")


def test_lower_accuracy_on_near_duplicates_is_no_inflation():
    found = concluded({"bn": (0.8, 0.9)})
    assert found["tests"][0]["verdict"] == "deflated"
    assert found["verdict"] == "no difference"


def test_without_photos_of_both_kinds_nothing_is_compared():
    found = concluded({"bn": (0.8,)}, near=0)
    assert found["tests"] == []
    assert found["verdict"] == "not measured"
    assert found["sentence"] == "0 of 1,500 test photos (0%) have a near-duplicate in train."
