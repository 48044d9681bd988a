import pytest

from trainer.checkpoint.export.classifier_onnx import ExportError
from trainer.data.photo_set import PhotoSetError
from trainer.run_folder import TrainingError
from trainer.utils.cli import RESUME_HINT, exit_status
from trainer.utils.distributed import ProcessError


def raising(error: BaseException) -> None:
    raise error


def test_work_that_is_done_ends_well(capsys):
    assert exit_status(lambda: None) == 0
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("kind", [PhotoSetError, TrainingError, ExportError, ProcessError])
def test_what_the_user_can_mend_is_one_sentence(kind, capsys):
    assert exit_status(lambda: raising(kind("Do this."))) == 2
    assert capsys.readouterr() == ("", "Do this.\n")


@pytest.mark.parametrize(
    ("hint", "said"), [("", "Stopped."), (RESUME_HINT, f"Stopped: {RESUME_HINT}")]
)
def test_ctrl_c_says_what_is_to_be_known_then(hint, said, capsys):
    assert exit_status(lambda: raising(KeyboardInterrupt()), hint) == 130
    assert capsys.readouterr().out == f"\n{said}\n"


def test_a_mistake_of_the_program_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        exit_status(lambda: raising(ZeroDivisionError()))
