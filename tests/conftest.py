"""A small checkpoint and drawn photos that the app's tests share."""

import os

# Arrays this small gain nothing from threads. NumPy reads this once, when it is imported.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import io
import json
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from hypothesis import settings
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from streamlit.runtime.media_file_manager import MediaFileManager
from streamlit.runtime.memory_media_file_storage import MemoryMediaFileStorage

from streamlit_app.inference.classifier import CheckpointError, Classifier
from streamlit_app.ui import session

MAIN = sys.modules["__main__"]
COLOURS = {
    "Red Bird": (1, 0, 0),
    "Green Bird": (0, 1, 0),
    "Blue Bird": (0, 0, 1),
    "Yellow Bird": (1, 1, 0),
    "Cyan Bird": (0, 1, 1),
    "Magenta Bird": (1, 0, 1),
}
SPECIES = tuple(COLOURS)
IMAGE_SIZE = 32
NOVEL = 240.0  # a photo brighter than that shows no bird

settings.register_profile("nightly", max_examples=20_000, deadline=None)


def colour_checkpoint(folder: Path, **metadata: str | None) -> Path:
    """Write a checkpoint that tells birds by their colour, by the contract of a real one.

    A species' heatmap is how much more of its colour than of the others a place has; its logit is
    the mean of that map, as in a network that ends in pooling and a linear layer. `metadata`
    replaces values, or leaves them out where None. Its novelty is the mean brightness, 0 to 255:
    more than NOVEL is no bird. Species of 20% and more are in the sets shown.
    """
    weights = np.array(list(COLOURS.values()), np.float32)
    weights -= weights.mean(axis=1, keepdims=True)  # grey is no evidence
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    nodes = [
        helper.make_node("Cast", ["photos"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["float", "scale"], ["scaled"]),
        helper.make_node("Transpose", ["scaled"], ["channels_first"], perm=[0, 3, 1, 2]),
        helper.make_node(
            "AveragePool", ["channels_first"], ["pooled"], kernel_shape=[4, 4], strides=[4, 4]
        ),
        helper.make_node("Conv", ["pooled", "weights"], ["maps"]),
        helper.make_node("Relu", ["maps"], ["heatmaps"]),
        helper.make_node("ReduceMean", ["maps", "axes"], ["logits"], keepdims=0),
        helper.make_node("ReduceMean", ["float", "all_axes"], ["novelty"], keepdims=0),
    ]
    size, count = IMAGE_SIZE, len(SPECIES)
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "colours",
            [helper.make_tensor_value_info("photos", TensorProto.UINT8, ["N", size, size, 3])],
            [
                helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", count]),
                helper.make_tensor_value_info(
                    "heatmaps", TensorProto.FLOAT, ["N", count, size // 4, size // 4]
                ),
                helper.make_tensor_value_info("novelty", TensorProto.FLOAT, ["N"]),
            ],
            [
                numpy_helper.from_array(np.array(32 / 255, np.float32), "scale"),
                numpy_helper.from_array(weights[:, :, None, None], "weights"),
                numpy_helper.from_array(np.array([2, 3]), "axes"),
                numpy_helper.from_array(np.array([1, 2, 3]), "all_axes"),
            ],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    promised = {
        "norm": folder.name,
        "noun": "bird",
        "image_size": str(size),
        "species": json.dumps(SPECIES),
        "temperature": "1.0",
        "novelty_threshold": str(NOVEL),
        "set_thresholds": json.dumps({"0.9": 0.3, "0.95": 0.2}),
    } | metadata
    helper.set_model_props(model, {k: v for k, v in promised.items() if v is not None})
    folder.mkdir(parents=True, exist_ok=True)
    onnx.save(model, folder / "model.onnx")
    return folder


def several_looks(**changes: object) -> str:
    """The metadata `looks` of a checkpoint that looks twice at a photo."""
    values = {
        "names": ["centre", "zoom"],
        "energy_weight": 0.0,
        "temperature": 1.0,
        "novelty_threshold": NOVEL,
        "set_thresholds": {"0.9": 0.3, "0.95": 0.2},
    }
    return json.dumps(values | changes)


@pytest.fixture(autouse=True)
def main_module() -> Iterator[None]:
    """Undo what AppTest does: it leaves its page as the main module, which processes started by a
    later test would run."""
    yield
    sys.modules["__main__"] = MAIN


def break_variant(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Have the graph of the variant fail at every photo, as one that takes too long does."""
    run = Classifier._run

    def fail(classifier: Classifier, pixels: np.ndarray) -> tuple[np.ndarray, ...]:
        if classifier.name == name and pixels.std():  # not at the smoke test's grey
            raise CheckpointError(f"The checkpoint {name} cannot answer in 20 seconds.")
        return run(classifier, pixels)

    monkeypatch.setattr(Classifier, "_run", fail)


def draw_bird(colour: str = "red", size: tuple[int, int] = (96, 64)) -> Image.Image:
    """A bird of one colour in the left half of a grey photo."""
    photo = Image.new("RGB", size, (128, 128, 128))
    width, height = size
    photo.paste(colour, (width // 8, height // 4, width // 2, 3 * height // 4))
    return photo


def encode(photo: Image.Image, format: str = "JPEG", **options: object) -> bytes:
    """The photo as a file's bytes."""
    file = io.BytesIO()
    photo.save(file, format, **options)
    return file.getvalue()


@pytest.fixture
def checkpoints(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A checkpoints folder with one variant, bn, which the app is pointed at."""
    folder = tmp_path / "checkpoints"
    colour_checkpoint(folder / "bn")
    monkeypatch.setenv("PLUMAGE_CHECKPOINTS", str(folder))
    return folder


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> MediaFileManager:
    """What a server keeps to be downloaded; a test has no server."""
    files = MediaFileManager(MemoryMediaFileStorage("/media"))
    server = SimpleNamespace(media_file_mgr=files)
    monkeypatch.setattr(session, "get_instance", lambda: server)
    return files


@pytest.fixture(scope="session")
def machines() -> Iterator[str]:
    """The address of a Ray cluster of two machines, both this one, with a core each."""
    if os.name == "nt":
        pytest.skip("on Windows, Ray has no cluster of two machines")
    os.environ |= {
        "RAY_AUTH_MODE": "disabled",  # no token in the home folder of the tests' user
        "RAY_worker_register_timeout_seconds": "300",  # a busy machine starts workers slowly
    }
    from ray.cluster_utils import Cluster

    options = {"num_cpus": 1, "object_store_memory": 100 * 2**20}
    both = Cluster(initialize_head=True, head_node_args=options | {"include_dashboard": False})
    try:
        both.add_node(**options)
        both.wait_for_nodes(timeout=300)
        yield both.address
    finally:
        both.shutdown()


@pytest.fixture
def cluster(machines: str) -> Iterator[str]:
    """The address of that cluster, for a test that fails where it takes minutes."""

    def give_up(*_: object) -> None:
        raise TimeoutError("the cluster did not answer in 10 minutes")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(600)
    yield machines
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
