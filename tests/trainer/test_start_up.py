"""What a command answers before it imports torch, counted in modules, not in seconds."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
LIGHT = ["trainer", "trainer.studies", "trainer.audit", "trainer.explain"]
LIGHT += ["trainer.checkpoint", "trainer.checkpoint.saliency", "trainer.evaluate"]
HEAVY = {"torch", "onnx", "onnxruntime", "scipy", "sklearn", "cv2", "ray"}
# Runs a command as `python -m` does, then says which heavy modules it has imported.
AS_MAIN = f"""
import runpy, sys
status = None
try:
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
except SystemExit as stop:
    status = stop.code
print("imported:", *sorted({HEAVY} & set(sys.modules)))
sys.exit(status)
"""


def answered(*arguments: str, cwd: Path, first: Path = ROOT) -> subprocess.CompletedProcess[str]:
    path = os.pathsep.join(dict.fromkeys(map(str, (first, ROOT))))
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": path},
    )


@pytest.mark.parametrize("command", LIGHT)
def test_help_and_wrong_flags_are_answered_without_torch(command, tmp_path):
    done = answered("-c", AS_MAIN, command, "--help", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith("\nimported:\n")
    done = answered("-c", AS_MAIN, command, "--no-such-flag", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout.endswith("imported:\n")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ("trainer", "--data names a folder with one"),
        ("trainer --epochs 0", "--epochs 0 is not possible: it must be at least 1."),
        ("trainer --device gpu", "--device gpu is not possible"),
        ("trainer.studies depth", "--data names a folder with one"),
        ("trainer.explain", "--data names a folder with one"),
        ("trainer.checkpoint", "--data names a folder with one"),
        ("trainer.checkpoint.saliency", "--data names a folder with one"),
        ("trainer.audit photos", "photos is not a folder"),
    ],
)
def test_what_is_wrong_is_answered_without_torch(arguments, sentence, tmp_path):
    done = answered("-c", AS_MAIN, *arguments.split(), cwd=tmp_path)
    assert done.returncode == 2
    assert sentence in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert done.stdout == "imported:\n"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("command", ["trainer", "trainer.evaluate.comparison"])
@pytest.mark.parametrize("module", ["tyro", "torch"])
def test_ctrl_c_while_a_library_is_imported_ends_with_a_sentence(
    command, module, drawn_photos, tmp_path
):
    # Ctrl-C comes inside the import, where a library may catch all exceptions.
    stops = "import os, signal\ntry:\n    os.kill(os.getpid(), signal.SIGINT)\n"
    stops += "except BaseException:\n    pass\nraise ImportError('the import went on')\n"
    (tmp_path / f"{module}.py").write_text(stops)
    done = answered("-m", command, "--data", str(drawn_photos), cwd=tmp_path, first=tmp_path)
    assert done.returncode == 130
    assert done.stdout == "\nStopped before anything was done.\n"
    assert done.stderr == ""
