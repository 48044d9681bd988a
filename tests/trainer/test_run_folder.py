import json
from dataclasses import replace

import pytest

from trainer.recipe import Recipe
from trainer.run_folder import (
    REPORT,
    STATE,
    TrainingError,
    as_started,
    check_same,
    check_same_photos,
    is_finished,
    remove_state,
    stored_run,
)


def test_a_new_or_empty_folder_is_free(tmp_path):
    assert not is_finished(Recipe(), tmp_path, resume=False)
    assert not is_finished(Recipe(), tmp_path / "new", resume=False)
    assert not is_finished(Recipe(), tmp_path / "new", resume=True)
    (tmp_path / "splits.csv").touch()  # left by a run that was stopped in its first epoch
    assert not is_finished(Recipe(), tmp_path, resume=False)


def test_a_run_is_finished_once_it_has_a_report_and_no_state(tmp_path):
    (tmp_path / STATE).touch()
    assert not is_finished(Recipe(), tmp_path, resume=True)
    (tmp_path / REPORT).write_text(json.dumps({"recipe": Recipe().as_dict()}))
    assert not is_finished(Recipe(), tmp_path, resume=True)
    (tmp_path / STATE).unlink()
    assert is_finished(Recipe(), tmp_path, resume=True)


def test_another_run_is_neither_overwritten_nor_taken_for_this_one(tmp_path):
    (tmp_path / REPORT).write_text(json.dumps({"recipe": Recipe().as_dict()}))
    with pytest.raises(TrainingError, match="already holds a run: --resume"):
        is_finished(Recipe(), tmp_path, resume=False)
    with pytest.raises(TrainingError, match="another --seed"):
        is_finished(replace(Recipe(), seed=4), tmp_path, resume=True)


def test_a_run_is_resumed_with_the_epochs_and_batch_that_were_fitted_to_its_photos(tmp_path):
    started = replace(Recipe(), epochs=90, batch_size=16, learning_rate=0.05)
    assert stored_run(tmp_path) is None
    (tmp_path / REPORT).write_text(json.dumps({"recipe": started.as_dict()}))
    stored = stored_run(tmp_path)
    assert stored is not None
    assert as_started(Recipe(), stored, given=()) == started
    assert as_started(Recipe(), stored, given=("epochs",)) == replace(started, epochs=16)


def test_a_run_on_other_photos_is_refused_with_the_way_out(tmp_path):
    digest = {"count": 40, "sha256": "a"}
    check_same_photos({"files": digest}, digest, tmp_path, tmp_path / "bin")
    check_same_photos({}, digest, tmp_path, tmp_path / "bin")  # of an earlier version
    with pytest.raises(TrainingError, match=r"other photos: 40 then, 41 in .*another --output"):
        check_same_photos({"files": digest}, digest | {"count": 41}, tmp_path, tmp_path / "bin")


STEADY = replace(Recipe(), schedule="constant", first_scale=1.0)


@pytest.mark.parametrize(
    ("recipe", "epochs", "why"),
    [
        (Recipe(), 32, "triangular, ends with that epoch"),
        (replace(Recipe(), schedule="cosine"), 32, "cosine, ends with that epoch"),
        (replace(STEADY, first_scale=0.5), 32, "crops have grown from --initial-resolution 0.5"),
        (replace(STEADY, outlier_epochs=2), 32, "its last epochs had the outliers"),
        (STEADY, 8, "can only become longer"),
    ],
)
def test_where_a_run_cannot_be_trained_longer_the_refusal_says_why(tmp_path, recipe, epochs, why):
    with pytest.raises(TrainingError, match=why):
        check_same(replace(recipe, epochs=epochs), recipe.as_dict(), tmp_path)


def test_a_finished_run_of_a_constant_schedule_can_be_trained_longer(tmp_path):
    (tmp_path / REPORT).write_text(json.dumps({"recipe": STEADY.as_dict()}))
    (tmp_path / STATE).write_text("state")
    remove_state(tmp_path, STEADY)
    assert is_finished(STEADY, tmp_path, resume=True)
    assert not is_finished(replace(STEADY, epochs=32), tmp_path, resume=True)
    assert (tmp_path / STATE).read_text() == "state"
    remove_state(tmp_path, Recipe())
    with pytest.raises(TrainingError, match=r"last\.safetensors is missing"):
        is_finished(replace(STEADY, epochs=32), tmp_path, resume=True)
