"""ONNX graphs of unknown origin, opened and run within limits of size, memory and time."""

import threading
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime

MAX_BYTES = 64 * 2**20  # of a file; the shipped ones have under 1 MB
MAX_MEMORY = 2**30  # bytes for the numbers of all graphs together
MAX_SECONDS = 20.0  # of one call, which takes under one on a busy machine

# One store of memory for all graphs, so that its limit is the process's and not each graph's own.
onnxruntime.create_and_register_allocator(
    onnxruntime.OrtMemoryInfo(
        "Cpu", onnxruntime.OrtAllocatorType.ORT_ARENA_ALLOCATOR, 0, onnxruntime.OrtMemType.DEFAULT
    ),
    onnxruntime.OrtArenaCfg({"max_mem": MAX_MEMORY, "arena_extend_strategy": 1}),
)


class GraphError(ValueError):
    """A fault of a graph, as the rest of a sentence that names its checkpoint."""


class Graph:
    """A graph that keeps to its inputs and outputs; it may be run by several threads at once.

    metadata: what its maker wrote into it, by key.
    """

    def __init__(
        self,
        path: Path,
        inputs: Mapping[str, str],
        outputs: Mapping[str, str],
        threads: int = 1,
        beside: Path | None = None,
    ) -> None:
        """Open a graph; raises GraphError.

        inputs, outputs: the names it must have, no others, and their types, as in `tensor(float)`.
        threads: cores that one call works on. beside: a folder with files that it may take weights
            from; None where it has to hold its own.
        """
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
        if len(data) > MAX_BYTES:
            raise GraphError(
                f"cannot be opened: its {path.name} has more than {MAX_BYTES >> 20} MB."
            )
        options = onnxruntime.SessionOptions()
        # Set, because onnxruntime's own choice pins threads to cores that a container may not have.
        options.intra_op_num_threads = threads
        # A server waits far longer than it works: idle threads sleep.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.add_session_config_entry("session.use_env_allocators", "1")
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path",
            str(beside or path / "nowhere"),  # a file has nothing in it
        )
        options.log_severity_level = 4  # what goes wrong is raised, and said once
        try:
            self._session = onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime has a class for each way to fail, none documented
            elsewhere = "external data" in str(error).lower()
            what = "keeps weights in a file that is not there for it" if elsewhere else "is damaged"
            raise GraphError(f"cannot be opened: its {path.name} {what}.") from error
        self.metadata = dict(self._session.get_modelmeta().custom_metadata_map)
        self._outputs = list(outputs)
        _check("takes", self._session.get_inputs(), inputs)
        _check("gives", self._session.get_outputs(), outputs)

    def run(self, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """The outputs for these inputs, in the order that was asked for; raises GraphError."""
        options = onnxruntime.RunOptions()
        options.log_severity_level = 4
        watch = threading.Timer(MAX_SECONDS, setattr, (options, "terminate", True))
        watch.daemon = True
        watch.start()
        try:
            return self._session.run(self._outputs, inputs, options)
        except Exception as error:
            shapes = ", ".join(f"{name} of shape {value.shape}" for name, value in inputs.items())
            raise GraphError(
                f"cannot answer {shapes} in {MAX_SECONDS:g} seconds and {MAX_MEMORY >> 20} MB."
            ) from error
        finally:
            watch.cancel()


def _check(does: str, values: list[onnxruntime.NodeArg], promised: Mapping[str, str]) -> None:
    found = {value.name: value.type for value in values}
    if found != promised:
        raise GraphError(f"{does} {_listed(found)}, not {_listed(promised)}.")


def _listed(values: Mapping[str, str]) -> str:
    """A few names and their types; a name that is no plain word stays unsaid."""
    words = [
        f"{name[:30] if name.isidentifier() else 'something'} of {type}"
        for name, type in list(values.items())[:5]
    ]
    return ", ".join(words + ["others"] * (len(values) > 5)) or "nothing"
