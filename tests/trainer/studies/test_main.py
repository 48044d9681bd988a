import pytest

from trainer.studies import runs
from trainer.studies.__main__ import main
from trainer.studies.definitions import STUDIES


def test_the_list_names_every_study_with_its_question(capsys):
    assert main(["--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == list(STUDIES)
    assert all(line.endswith("?") for line in lines)


def test_without_photos_a_sentence_says_what_is_expected(tmp_path, capsys):
    assert main(["norms", "--data", str(tmp_path), "--output", str(tmp_path / "runs")]) == 2
    assert "--data names a folder" in capsys.readouterr().err


@pytest.mark.parametrize("given", [True, False])
def test_the_table_is_written_beside_the_checkpoints_that_are_named(
    given, drawn_photos, tmp_path, monkeypatch
):
    asked = []
    monkeypatch.setattr(runs, "run_study", lambda *values: asked.append(values[-1]))
    flags = ["--checkpoints", str(tmp_path)] if given else []
    assert main(["norms", "--data", str(drawn_photos), *flags]) == 0
    assert asked == [tmp_path / "results" / "studies" if given else None]


def test_norms_wait_for_the_learning_rates_of_their_own_photos(drawn_photos, tmp_path, capsys):
    flags = ["--data", str(drawn_photos), "--output", str(tmp_path / "runs")]
    assert main(["norms", *flags, "--checkpoints", str(tmp_path / "garden")]) == 2
    assert "trainer.studies learning-rate" in capsys.readouterr().err


def test_the_list_of_names_is_that_of_the_commands_choices(capsys):
    with pytest.raises(SystemExit):
        main(["--help"])
    told = capsys.readouterr().out
    assert all(name in told for name in STUDIES)
    with pytest.raises(SystemExit):
        main(["no-such-study"])
