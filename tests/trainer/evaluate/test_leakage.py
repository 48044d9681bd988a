from pathlib import Path

import pytest
from PIL import Image

from tests.conftest import SPECIES, colour_checkpoint
from tests.trainer.audit.faulty import draw
from trainer.data.photo_folder import PhotoFolder
from trainer.evaluate.leakage import in_train, main, measure, near_duplicates


def draw_set(root: Path) -> Path:
    """Six species, two photos each in train and one in val and test; red's test photo is a flipped
    one of train."""
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (0, 255, 255), (255, 0, 255)]
    seed = 0
    for split, count in {"train": 2, "val": 1, "test": 1}.items():
        for species, colour in zip(SPECIES, colours, strict=True):
            (root / split / species).mkdir(parents=True)
            for number in range(count):
                draw(seed, colour).save(root / split / species / f"{number}.png")
                seed += 1
    first = Image.open(root / "train" / "Red Bird" / "0.png")
    first.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(root / "test" / "Red Bird" / "0.png")
    return root


BIRDS = Path(__file__).parents[4] / "shared" / "birds25"
MAX_SHARE = 0.002  # of the test photos; the audit sees a little more with each look


@pytest.mark.nightly
@pytest.mark.skipif(not BIRDS.is_dir(), reason="needs ../shared/birds25")
def test_almost_no_test_photo_shares_a_scene_with_a_training_photo(tmp_path: Path):
    photos, pairs = near_duplicates(BIRDS, tmp_path)
    share = in_train(photos, pairs, "test").mean()
    assert share <= MAX_SHARE, f"{share:.2%} of the test photos have a near-duplicate in train"


def test_a_test_photo_whose_flipped_copy_is_in_train_is_scored_apart(tmp_path: Path):
    folder = colour_checkpoint(tmp_path / "checkpoints" / "bn")
    report = '{"species": %s, "recipe": {"image_size": 32}}'
    (folder / "report.json").write_text(report % str(sorted(SPECIES)).replace("'", '"'))
    found = measure(folder.parent, PhotoFolder(draw_set(tmp_path / "photos")), tmp_path / "cache")
    assert found["photos"] == {"test": 6, "train": 12, "val": 6}
    assert found["with_near_duplicate"] == {"val": 0, "test": 1}
    assert len(found["without_near_duplicate"]) == 6
    assert found["without_near_duplicate"][0] == f"val/{min(SPECIES)}/0.png"
    assert found["pairs"] == {"copy": 1}
    near, alone = found["rows"]
    assert (near["variant"], near["near_duplicate"]) == ("bn", True)
    assert (alone["variant"], alone["near_duplicate"]) == ("bn", False)
    assert alone["low"] <= alone["accuracy"] <= alone["high"]
    assert found["sentence"].startswith("1 of 6 test photos (17%) have a near-duplicate in train.")


def test_a_folder_without_splits_is_refused(tmp_path: Path, capsys):
    assert main(["--data", str(tmp_path), "--checkpoints", str(tmp_path)]) == 2
    assert "has no photos to train on" in capsys.readouterr().err
