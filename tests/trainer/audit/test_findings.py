from pathlib import Path

import numpy as np
import pytest

from tests.trainer.audit.faulty import rows
from trainer.audit.detect.survey import survey
from trainer.audit.findings import Findings, examine
from trainer.recipe import CHECKPOINTS

SHARED = Path(__file__).parents[4] / "shared"
RAW = SHARED / "birds25_raw_sample"
VAL = SHARED / "birds25" / "val"
FAULTS = ("copy", "border", "tiny", "empty", "unreadable")
BORDERED = (
    "Jungle-Babbler Northern-Lapwing Red-Wattled-Lapwing Ruddy-Shelduck Rufous-Treepie "
    "White-Breasted-Kingfisher White-Breasted-Waterhen White-Wagtail"
).split()


@pytest.fixture(scope="module")
def raw(tmp_path_factory) -> Findings:
    """What is found in the published photos."""
    if not RAW.exists():
        pytest.skip("needs ../shared/birds25_raw_sample")
    return examine(survey(RAW, tmp_path_factory.mktemp("cache")), CHECKPOINTS, "bin")


@pytest.fixture(scope="module")
def swapped(tmp_path_factory) -> tuple[Findings, set[str]]:
    """What is found in cleaned photos, one in twenty of them in a wrong folder, and which."""
    if not VAL.exists():
        pytest.skip("needs ../shared/birds25")
    rng, home = np.random.default_rng(0), tmp_path_factory.mktemp("swapped")
    names = sorted(folder.name for folder in VAL.iterdir() if folder.is_dir())
    wrong = set()
    for number, file in enumerate(sorted(VAL.glob("*/*.jpg"))[::2]):
        name = file.parent.name
        if number % 20 == 7:
            name = str(rng.choice([other for other in names if other != name]))
            wrong.add(file.name)
        (home / "photos" / "val" / name).mkdir(parents=True, exist_ok=True)
        (home / "photos" / "val" / name / file.name).symlink_to(file)
    return examine(survey(home / "photos", home / "cache"), CHECKPOINTS, "bin"), wrong


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_is_found_once_and_nothing_else(audited, fault):
    found = rows(audited[0] / "audit.csv")
    of_it = [row for row in found if row["finding"] == fault]
    assert len(of_it) == 1
    assert fault in of_it[0]["file"] + of_it[0]["more"]
    assert {row["finding"] for row in found} == set(FAULTS)


@pytest.mark.slow
def test_the_border_of_the_published_photos_is_a_shortcut_with_its_species(raw):
    assert [cue.name for cue in raw.cues if cue.shortcut] == ["border"]
    assert set(next(cue.species for cue in raw.cues if cue.shortcut)) == set(BORDERED)


@pytest.mark.slow
def test_published_species_that_were_flipped_are_named_and_no_other(raw):
    named = {row.species for row in raw.flips if row.named}
    assert len(named) >= 10  # of 17, with 14 photos each
    assert not named & set(BORDERED)


@pytest.mark.slow
def test_half_of_the_published_test_photos_have_a_near_duplicate_in_train(raw):
    assert raw.share_with_near_duplicate("test", "train") == pytest.approx(0.5, abs=0.05)


@pytest.mark.slow
def test_most_wrong_labels_are_found_and_few_right_ones_doubted(swapped):
    findings, wrong = swapped
    doubted = {findings.photos.files[index].name for index in findings.label_errors}
    assert len(wrong) == len(range(7, len(findings.photos), 20)) > 20
    assert len(wrong & doubted) >= 0.6 * len(wrong)
    assert len(doubted - wrong) <= 0.02 * len(findings.photos)


@pytest.mark.slow
def test_cleaned_photos_have_no_shortcut_and_no_flipped_species(swapped):
    assert not [cue.name for cue in swapped[0].cues if cue.shortcut]
    assert not [row.species for row in swapped[0].flips if row.named]
