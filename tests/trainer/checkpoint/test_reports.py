import json

import pytest

from tests.trainer.conftest import SPECIES
from trainer.checkpoint.reports import (
    CheckpointError,
    best_on_val,
    checkpoints_for,
    read_reports,
)
from trainer.data.photo_folder import PhotoFolder
from trainer.data.photo_set import PhotoSetError


def test_reports_are_found_by_the_names_of_their_folders(drawn_photos, tmp_path):
    assert read_reports(tmp_path) == {}
    for name in ("gn", "bn"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(json.dumps({"species": sorted(SPECIES)}))
    source = PhotoFolder(drawn_photos)
    assert list(checkpoints_for(source, tmp_path)) == ["bn", "gn"]
    assert list(checkpoints_for(source, tmp_path, "gn")) == ["gn"]
    with pytest.raises(CheckpointError, match="no checkpoint nn: --checkpoints names the folder"):
        checkpoints_for(source, tmp_path, "nn")


def test_photos_of_other_species_are_refused(drawn_photos, tmp_path):
    (tmp_path / "bn").mkdir()
    (tmp_path / "bn" / "report.json").write_text('{"species": ["Dodo", "Kiwi"]}')
    with pytest.raises(PhotoSetError, match="holds other species than the checkpoint bn"):
        checkpoints_for(PhotoFolder(drawn_photos), tmp_path)


def test_the_best_checkpoint_is_the_one_most_accurate_on_val(tmp_path):
    with pytest.raises(CheckpointError, match="holds no checkpoint: --checkpoints names"):
        best_on_val(tmp_path)
    for name, accuracy in (("bin", 0.5), ("garden", 0.75), ("nn", 0.6)):
        (tmp_path / name).mkdir()
        report = {"metrics": {"val": {"accuracy": {"value": accuracy}}}}
        (tmp_path / name / "report.json").write_text(json.dumps(report))
    assert best_on_val(tmp_path) == "garden"
