import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from streamlit_app.inference import onnx_graph
from streamlit_app.inference.onnx_graph import Graph, GraphError

PHOTOS, ANSWER = {"photos": "tensor(uint8)"}, {"answer": "tensor(float)"}
PIXELS = np.zeros((2, 4, 4, 3), np.uint8)


def write(path: Path, nodes: list[onnx.NodeProto], **numbers: np.ndarray) -> Path:
    """A graph that casts its photos to `float`, then runs these nodes."""
    graph = helper.make_graph(
        [helper.make_node("Cast", ["photos"], ["float"], to=TensorProto.FLOAT), *nodes],
        "graph",
        [helper.make_tensor_value_info("photos", TensorProto.UINT8, ["N", 4, 4, 3])],
        [helper.make_tensor_value_info("answer", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in numbers.items()],
    )
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), path)
    return path


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A graph that doubles its photos, by a number large enough to be kept elsewhere."""
    node = helper.make_node("Mul", ["float", "two"], ["answer"])
    return write(tmp_path / "model.onnx", [node], two=np.full((4, 4, 3), 2, np.float32))


def fault(path: Path) -> str:
    with pytest.raises(GraphError) as caught:
        Graph(path, PHOTOS, ANSWER).run({"photos": PIXELS})
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_graph_is_run(file: Path) -> None:
    (answer,) = Graph(file, PHOTOS, ANSWER).run({"photos": PIXELS + np.uint8(3)})
    np.testing.assert_array_equal(answer, np.full((2, 4, 4, 3), 6, np.float32))


def test_a_file_over_the_limit_is_not_opened(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_graph, "MAX_BYTES", file.stat().st_size)
    Graph(file, PHOTOS, ANSWER)
    with file.open("ab") as more:
        more.write(b"\0")
    assert "model.onnx has more than" in fault(file)


@pytest.mark.parametrize("place", ["weights.bin", "../weights.bin", "/etc/hostname"])
def test_weights_in_another_file_are_refused_wherever_it_lies(
    file: Path, place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    keep_weights_in(file, place)
    (file.parent / "weights.bin").write_bytes(np.full((4, 4, 3), 2, np.float32).tobytes())
    assert "keeps weights in a file" in fault(file)
    monkeypatch.chdir(file.parent)  # where onnxruntime would look for them
    assert "keeps weights in a file" in fault(file)


def keep_weights_in(file: Path, place: str) -> None:
    model = onnx.load(file)
    (tensor,) = model.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value=place)
    file.write_bytes(model.SerializeToString())


def test_weights_in_a_folder_that_is_named_are_used_and_none_outside_it(file: Path) -> None:
    keep_weights_in(file, "weights.bin")
    (file.parent / "weights.bin").write_bytes(np.full((4, 4, 3), 2, np.float32).tobytes())
    Graph(file, PHOTOS, ANSWER, beside=file.parent)
    folder = file.parent / "inside"
    folder.mkdir()
    keep_weights_in(file, "../weights.bin")
    with pytest.raises(GraphError, match="keeps weights in a file"):
        Graph(file, PHOTOS, ANSWER, beside=folder)


def test_a_graph_that_never_ends_is_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scalar = [("i", TensorProto.INT64, []), ("go", TensorProto.BOOL, [])]
    value, more = ("value", TensorProto.FLOAT, []), ("more", TensorProto.FLOAT, [])
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["go"], ["on"]),
            helper.make_node("Add", ["value", "value"], ["more"]),
        ],
        "body",
        [helper.make_tensor_value_info(*x) for x in (*scalar, value)],
        [helper.make_tensor_value_info(*x) for x in (("on", TensorProto.BOOL, []), more)],
    )
    nodes = [
        helper.make_node("ReduceMean", ["float"], ["mean"], keepdims=0),
        helper.make_node("Loop", ["times", "go", "mean"], ["answer"], body=body),
    ]
    path = write(tmp_path / "model.onnx", nodes, times=np.array(2**62), go=np.array(True))
    monkeypatch.setattr(onnx_graph, "MAX_SECONDS", 0.5)
    assert "cannot answer photos of shape (2, 4, 4, 3) in 0.5 seconds" in fault(path)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="memory is read from /proc")
def test_a_graph_that_eats_memory_is_stopped(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("ReduceMean", ["float"], ["mean"], keepdims=0),
        helper.make_node("Expand", ["mean", "shape"], ["large"]),
        helper.make_node("ReduceMax", ["large"], ["answer"], keepdims=0),
    ]
    numbers = onnx_graph.MAX_MEMORY // 4 + 1
    path = write(tmp_path / "model.onnx", nodes, shape=np.array([numbers]))
    before = peak_kb()
    assert "cannot answer" in fault(path)
    assert peak_kb() - before < 100_000


def peak_kb() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def test_garbled_files_are_refused_and_nothing_worse_happens(file: Path) -> None:
    whole, rng, refused = file.read_bytes(), np.random.default_rng(0), 0
    for _ in range(200):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 3):
            data[place] = rng.integers(256)
        file.write_bytes(data[: rng.integers(1, len(data))] if rng.random() < 0.3 else data)
        try:
            Graph(file, PHOTOS, ANSWER).run({"photos": PIXELS})
        except GraphError:
            refused += 1
    assert 20 < refused < 200


def test_what_a_graph_calls_its_inputs_cannot_speak_for_us(file: Path) -> None:
    model = onnx.load(file)
    name = "**[click](http://example.org)**"
    model.graph.input[0].name = model.graph.node[0].input[0] = name
    onnx.save(model, file)
    assert fault(file) == "takes something of tensor(uint8), not photos of tensor(uint8)."


def test_metadata_is_read(file: Path) -> None:
    model = onnx.load(file)
    helper.set_model_props(model, {"species": json.dumps(["Hoopoe"])})
    onnx.save(model, file)
    assert Graph(file, PHOTOS, ANSWER).metadata == {"species": '["Hoopoe"]'}
