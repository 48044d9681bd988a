from tests.trainer.audit.faulty import fingerprint
from trainer.audit import repair
from trainer.audit.__main__ import main


def test_a_second_copy_into_the_same_folder_is_refused(audited, capsys):
    assert main([*audited[2], "--fix", str(audited[1])]) == 2
    assert "not an empty folder" in capsys.readouterr().err


def test_a_copy_inside_the_photos_is_refused_before_anything_is_read(faulty, audited, capsys):
    before = fingerprint(faulty)
    assert main([*audited[2], "--fix", str(faulty / "clean")]) == 2
    assert "name a folder outside it" in capsys.readouterr().err
    assert fingerprint(faulty) == before


def test_a_folder_or_checkpoint_that_is_missing_is_named(audited, tmp_path, capsys):
    assert main([str(tmp_path / "none"), *audited[2][1:]]) == 2
    assert "none" in capsys.readouterr().err
    assert main([*audited[2], "--variant", "dodo"]) == 2
    assert "dodo" in capsys.readouterr().err


def test_where_it_is_stopped_nothing_of_a_clean_copy_is_left(
    audited, faulty, tmp_path, monkeypatch, capsys
):
    before, write, written = fingerprint(faulty), repair._write, []

    def write_few(file, new, done):
        if len(written) == 5:
            raise KeyboardInterrupt
        write(file, new, done)
        written.append(new)

    monkeypatch.setattr(repair, "_write", write_few)
    assert main([*audited[2], "--fix", str(tmp_path / "home" / "clean")]) == 130
    assert "Stopped: the photos are as they were." in capsys.readouterr().out
    assert written
    assert not any((tmp_path / "home").iterdir())
    assert fingerprint(faulty) == before
