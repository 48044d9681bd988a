import pytest

from trainer.audit import report
from trainer.data.photo_set import PhotoSetError


def test_a_result_that_cannot_be_written_is_answered_with_advice(faulty, audited, monkeypatch):
    output = audited[0].parent

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(report, "write", full)
    with pytest.raises(PhotoSetError, match="No space left on device.*another folder with"):
        report.audit(faulty, None, output, audited[1].parent / "checkpoints", "bin")
