import json
from pathlib import Path

import pytest

from streamlit_app.results.reading import command
from streamlit_app.results.sets import class_sets
from tests.conftest import SPECIES, colour_checkpoint
from tests.measurements import write_report

FLOWERS = json.dumps(["rose", "tulip_2", "x-1", "a", "b", "c"])


def test_variants_of_the_same_classes_are_one_set_whatever_their_order(tmp_path: Path) -> None:
    colour_checkpoint(tmp_path / "bn")
    colour_checkpoint(tmp_path / "gn", species=json.dumps(SPECIES[::-1]))
    (found,) = class_sets(tmp_path)
    assert found.variants == ("bn", "gn")
    assert (found.label, found.noun, found.results) == ("6 birds", "bird", tmp_path)


def test_variants_of_other_classes_are_another_set_without_the_results(tmp_path: Path) -> None:
    colour_checkpoint(tmp_path / "bn")
    colour_checkpoint(tmp_path / "mine", species=FLOWERS, noun=None)
    birds, mine = class_sets(tmp_path)
    assert (mine.variants, mine.label, mine.noun) == (("mine",), "6 classes", "class")
    assert birds.results.is_dir()
    assert not mine.results.exists()


def test_a_folder_of_variants_below_is_a_set_of_its_own_and_results_are_none(
    tmp_path: Path,
) -> None:
    colour_checkpoint(tmp_path / "bn")
    colour_checkpoint(tmp_path / "garden" / "bn", species=FLOWERS, noun="flower")
    colour_checkpoint(tmp_path / "results" / "bn")
    _, garden = class_sets(tmp_path)
    assert (garden.label, garden.folder) == ("garden: 6 flowers", tmp_path / "garden")
    assert garden.results == tmp_path / "garden"
    assert [found.label for found in class_sets(tmp_path / "garden")] == ["6 flowers"]


def test_a_variant_that_cannot_be_opened_is_counted_to_the_first_set(tmp_path: Path) -> None:
    colour_checkpoint(tmp_path / "bn")
    (tmp_path / "gn").mkdir()
    (tmp_path / "gn" / "model.onnx").write_bytes(b"damaged")
    (found,) = class_sets(tmp_path)
    assert found.variants == ("bn", "gn")


@pytest.mark.parametrize("below", [True, False])
def test_a_command_names_the_folder_and_the_photos_of_its_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, below: bool
) -> None:
    folder = tmp_path / "my garden"
    write_report(folder / "bn")
    report = json.loads((folder / "bn" / "report.json").read_text())
    report["recipe"]["data"] = "../my photos"
    (folder / "bn" / "report.json").write_text(json.dumps(report))
    if below:
        monkeypatch.chdir(tmp_path)
    where = "my garden" if below else folder
    assert command("trainer.explain", folder) == (
        f"`python -m trainer.explain --data '../my photos' --checkpoints '{where}'`"
    )


def test_a_command_on_the_shipped_checkpoints_needs_no_folder() -> None:
    shipped = Path(__file__).parents[3] / "checkpoints"
    assert command("trainer.explain", shipped) == "`python -m trainer.explain --data PHOTOS`"
