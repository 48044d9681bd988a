import json

import pytest

from tests.trainer.conftest import SPECIES
from trainer.data.photo_folder import PhotoFolder
from trainer.explain.__main__ import gallery_species, main


def test_a_missing_variant_or_species_is_named(drawn_photos, tmp_path, capsys):
    (tmp_path / "nn").mkdir()
    (tmp_path / "nn" / "report.json").write_text(json.dumps({"species": sorted(SPECIES)}))
    given = ["--data", str(drawn_photos), "--checkpoints", str(tmp_path)]
    assert main([*given, "--variant", "gn"]) == 2
    assert "no checkpoint gn" in capsys.readouterr().err
    assert main([*given, "--species", "Dodo"]) == 2
    assert "holds no photos of Dodo" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"nn"}


def test_photos_of_other_species_than_the_birds_have_a_gallery_without_a_flag(drawn_photos):
    source = PhotoFolder(drawn_photos)
    assert gallery_species(None, source) == sorted(SPECIES)
    assert gallery_species(("Red-Ring",), source) == ["Red-Ring"]


def test_a_wrong_flag_is_refused(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--photo", "3"])
    assert stop.value.code == 2
