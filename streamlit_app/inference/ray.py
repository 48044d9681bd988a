"""A folder of photos classified by a Ray cluster: `streamlit_app.batch FOLDER --cluster ADDRESS`.

Ray Data hands blocks of names to one actor a core, each with a worker process (worker.py); rows
come back block by block, in any order. Where a machine is lost, another gets its block. The
machines share a file system with code, checkpoints and photos, under the same names on each.
"""

import json
import logging
import os
import platform
from collections.abc import Generator, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

import ray
import ray.data
from ray.exceptions import RayError

from streamlit_app.inference.classifier import Classifier
from streamlit_app.inference.table import FILES_PER_REQUEST, Row, photo_bytes, rows_of_batch

CODE = Path(__file__).parents[2]  # where the package lies, on each machine
# Names in a block: a second or so of work, and what a machine that is lost has done in vain.
BLOCK = 128


class ClusterError(ValueError):
    """A cluster that cannot be used; the message says why."""


def rows_of_folder(
    address: str, classifier: Classifier, folder: Path, names: Sequence[str]
) -> Generator[Row]:
    """Classify photos by their paths in the folder: a row each, in any order.

    address: HOST:PORT of the cluster's head; `auto` for the one that runs on this machine; `local`
        to start one of this machine alone, which ends with the last row.
    Raises: ClusterError.
    """
    if not names:
        return
    environment = {"PYTHONPATH": f"{CODE}{os.pathsep}${{PYTHONPATH}}"}
    try:
        ray.init(address, runtime_env={"env_vars": environment}, logging_level=logging.WARNING)
    except (ConnectionError, RayError, ValueError) as error:
        raise ClusterError(f"There is no Ray cluster at {address}: {error}") from error
    try:
        for record in _dataset(classifier, folder, names).iter_rows():
            yield Row(**json.loads(record["row"]))
    except RayError as error:
        raise ClusterError(f"The cluster gave up: {error}") from error
    finally:
        ray.shutdown()


def _dataset(classifier: Classifier, folder: Path, names: Sequence[str]) -> ray.data.Dataset:
    """A JSON row for each name; JSON keeps names that are no UTF-8."""
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False
    logging.getLogger("ray.data").setLevel(logging.WARNING)
    workers = max(1, int(ray.cluster_resources().get("CPU", 1)))
    blocks = max(-(-len(names) // BLOCK), min(len(names), workers))
    return ray.data.from_items(
        [json.dumps(name) for name in names], override_num_blocks=blocks
    ).map_batches(
        Actor,
        fn_constructor_args=(classifier.folder.resolve(), classifier.one_look, folder.resolve()),
        batch_size=FILES_PER_REQUEST,
        num_cpus=1,
        compute=ray.data.ActorPoolStrategy(size=workers),
    )


class Actor:
    """A core of the cluster that classifies photos."""

    def __init__(self, checkpoint: Path, one_look: bool, folder: Path) -> None:
        """Open the checkpoint; raises ClusterError where this machine does not see the photos."""
        if not folder.is_dir():
            raise ClusterError(
                f"{platform.node()} has no folder {folder}: the machines of the cluster must "
                "share a file system, with the same names on each."
            )
        self._classifier, self._folder = Classifier(checkpoint, one_look), folder

    def __call__(self, batch: dict[str, Sequence[str]]) -> dict[str, list[str]]:
        """Classify a few photos, by their names."""
        names = [json.loads(name) for name in batch["item"]]
        files = [(name, partial(photo_bytes, self._folder / name)) for name in names]
        rows = rows_of_batch(self._classifier, files)
        return {"row": [json.dumps(asdict(row)) for row, _ in rows]}
