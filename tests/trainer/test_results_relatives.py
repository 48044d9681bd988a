import json
from pathlib import Path

import pytest

from trainer.results_relatives import in_short, table


def score(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02}


@pytest.fixture
def checkpoints(tmp_path: Path) -> Path:
    found = {
        "photos": {"train": 900, "val": 50, "test": 80},
        "pairs": {"copy": 12, "same scene": 1300},
        "with_relative": {"val": 10, "test": 20},
        "variants": {
            "bn": {"with": score(0.9), "without": score(0.8)},
            "nn": {"with": score(0.7), "without": score(0.68)},
        },
    }
    (tmp_path / "relatives.json").write_text(json.dumps(found))
    return tmp_path


def test_the_sentence_counts_photos_and_names_the_best_variant(checkpoints: Path):
    said = in_short(checkpoints)
    assert "20 of 80 test photos (25%) have a relative in train" in said
    assert "`bn` is right on 90.0 (88.0 to 92.0)% of those and on 80.0 (78.0 to 82.0)%" in said


def test_a_gap_is_claimed_only_where_intervals_lie_apart(checkpoints: Path):
    said = table(checkpoints)
    assert "1,300 of one scene" in said
    assert said.endswith("by more than the intervals: `bn`.")


def test_where_nothing_was_measured_the_command_is_named(tmp_path: Path):
    assert "trainer.relatives" in in_short(tmp_path)
    assert "trainer.relatives" in table(tmp_path)
