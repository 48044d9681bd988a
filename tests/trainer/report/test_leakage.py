import json
from pathlib import Path

import pytest

from tests.measurements import result_file
from trainer.recipe import CHECKPOINTS
from trainer.report.leakage import (
    CORRECTED,
    in_short,
    more_than_chance,
    published,
    table,
    verdict,
)


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
    result_file(tmp_path, "leakage.json").write_text(json.dumps(found))
    return tmp_path


def test_the_sentence_counts_photos_and_names_the_best_variant(checkpoints: Path):
    said = in_short(checkpoints)
    assert "20 of 80 test photos (25%) have a relative in train" in said
    assert "`bn` is right on 90.0 (88.0 to 92.0)% of those and on 80.0 (78.0 to 82.0)%" in said


def test_a_gap_is_claimed_by_a_test_of_two_shares_before_and_after_correction():
    counts = {"photos": {"test": 1500}, "with_relative": {"test": 900}}
    scores = {"bn": (0.9, 0.8), "gn": (0.85, 0.81), "in": (0.8, 0.8), "nn": (1.0, 1.0)}
    variants = {
        name: {"with": score(related), "without": score(alone)}
        for name, (related, alone) in scores.items()
    }
    found = counts | {"variants": variants}
    chances = more_than_chance(found)
    # Intervals of gn overlap, and yet its shares differ.
    assert chances["gn"]["p"] == pytest.approx(0.041, abs=5e-4)
    assert chances["gn"][CORRECTED] == pytest.approx(3 * chances["gn"]["p"])
    assert chances["nn"]["p"] == 1
    said = verdict(found, chances)
    assert "(two-proportion z-test, 5%): `bn`, `gn`; after Holm" in said
    assert said.endswith("correction over 4 variants: `bn`.")
    variants["bn"] = {"with": score(0.8), "without": score(0.9)}
    assert "Right less often" in verdict(found, more_than_chance(found))


def test_the_table_has_the_chances_beside_the_scores(checkpoints: Path):
    said = table(checkpoints)
    assert "1,300 of one scene" in said
    assert "| p after Holm's correction" in said
    assert said.endswith("over 2 variants: none.")


def test_without_photos_of_both_kinds_nothing_is_compared(checkpoints: Path):
    path = checkpoints / "results" / "leakage.json"
    found = json.loads(path.read_text())
    found["with_relative"]["test"] = 0
    found["variants"] = {"bn": {"without": score(0.8)}}
    path.write_text(json.dumps(found))
    assert table(checkpoints).endswith("|")


def test_where_nothing_was_measured_the_command_is_named(tmp_path: Path):
    assert "trainer.evaluate.leakage" in in_short(tmp_path)
    assert "trainer.evaluate.leakage" in table(tmp_path)


def test_the_faults_of_the_published_set_are_those_that_the_audit_found(tmp_path):
    assert "python -m trainer.audit" in published(tmp_path)
    text = published(CHECKPOINTS)
    assert text.startswith("45,330 photos of 25 species, of which `--fix` leaves 16,888 clean ones")
    assert "76% of test photos and 98% of val photos have one in train" in text
    assert "74% to 96% of those of 8 species (Northern Lapwing" in text
    assert "47% to 57% of the photos of the 10 worst of 16 species" in text
