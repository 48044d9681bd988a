"""Runs of a study on a Ray cluster: `python -m trainer.studies NAME --cluster ADDRESS`.

Each run is one of Ray's tasks, on one core of any machine. Not Ray Tune: it would search among runs
and stop some early; a study makes all of its runs, and their folder says already which are done.
The machines share a file system that locks files, on which code, photos and runs have the same
names everywhere. A run whose machine is lost resumes from its last finished epoch on another one,
or with the next command where the lost machine's lock outlives it.
"""

import contextlib
import logging
import os
import platform
from collections.abc import Iterator, Mapping
from pathlib import Path

import ray
from ray.exceptions import RayError, RayTaskError

from trainer.data.photo_folder import PhotoFolder
from trainer.recipe import Recipe
from trainer.run_folder import TrainingError
from trainer.studies.study import Make, MakeRun, Study
from trainer.utils.system import prepare

CODE = Path(__file__).parents[2]  # where the package lies, on each machine


@contextlib.contextmanager
def joined(address: str, make_run: MakeRun) -> Iterator[Make]:
    """Join a cluster for the block; yields a function that makes runs on it.

    address: HOST:PORT of the cluster's head; `auto` for the one that runs on this machine; `local`
        to start one of this machine alone, which ends with the block.
    Raises: TrainingError where there is no such cluster.
    """
    environment = {
        "PYTHONPATH": f"{CODE}{os.pathsep}${{PYTHONPATH}}",
        "TQDM_DISABLE": "1",  # bars of several runs would run into each other
    }
    try:
        ray.init(address, runtime_env={"env_vars": environment}, logging_level=logging.WARNING)
    except (ConnectionError, RayError, ValueError) as error:
        raise TrainingError(f"There is no Ray cluster at {address}: {error}") from error
    try:
        yield _Runs(make_run).make
    finally:
        ray.shutdown()


class _Runs:
    """The runs that a cluster is at."""

    def __init__(self, make_run: MakeRun) -> None:
        self._make_run = make_run
        self._task = ray.remote(num_cpus=1)(_make_one)
        self._at_work: dict[ray.ObjectRef, Path] = {}
        self._left: set[Path] = set()  # to another command, which is at them

    def make(self, study: Study, recipes: Mapping[Path, Recipe], source: PhotoFolder) -> bool:
        """Start as many of these runs as there are cores, and wait until one that was started ends.

        Returns: False where none is left. Raises: TrainingError and what else a run raises.
        """
        begun = {*self._at_work.values(), *self._left}
        cores = int(ray.cluster_resources().get("CPU", 0))
        room = max(0, max(1, cores) - len(self._at_work))
        here, folder_only = (
            Path.cwd(),
            PhotoFolder(source.root, source.split_table),
        )  # without its list of files
        for folder in [folder for folder in recipes if folder not in begun][:room]:
            folder.mkdir(parents=True, exist_ok=True)
            task = self._task.remote(
                here, self._make_run, study, folder, recipes[folder], folder_only
            )
            self._at_work[task] = folder
        if not self._at_work:
            return False
        (ended,), _ = ray.wait(list(self._at_work))
        folder = self._at_work.pop(ended)
        try:
            if not ray.get(ended):
                self._left.add(folder)
        except RayTaskError as error:
            raise error.cause from None
        except RayError as error:
            raise TrainingError(
                f"{folder}: the cluster gave this run up, which the same command takes up again. "
                f"{error}"
            ) from error
        return True


def _make_one(
    here: Path,
    make_run: MakeRun,
    study: Study,
    folder: Path,
    recipe: Recipe,
    source: PhotoFolder,
) -> bool:
    """`make_run` on a machine of the cluster; here: what names of files start from."""
    if not (here / folder).is_dir():
        raise TrainingError(
            f"{platform.node()} has no folder {here / folder}: the machines of the cluster "
            "have to share a file system, with the same names on each."
        )
    prepare()
    with contextlib.chdir(here):
        return make_run(study, folder, recipe, source)
