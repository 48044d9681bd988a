import json
from dataclasses import replace

import pytest

from trainer.recipe import Recipe
from trainer.run_folder import REPORT, STATE, TrainingError, is_finished


def test_a_new_or_empty_folder_is_free(tmp_path):
    assert not is_finished(Recipe(), tmp_path, resume=False)
    assert not is_finished(Recipe(), tmp_path / "new", resume=False)
    assert not is_finished(Recipe(), tmp_path / "new", resume=True)


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
