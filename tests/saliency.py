"""A saliency.onnx beside the small checkpoint that the app's tests share."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.conftest import IMAGE_SIZE, SPECIES


def add_saliency(folder: Path) -> Path:
    """Write the file by the contract of a real one.

    What it gives for the species of index t is t + 1 times the pixels' own values.
    """
    (folder / "weights.safetensors").write_bytes(b"weights")
    strength = np.arange(1, len(SPECIES) + 1, dtype=np.float32)[:, None, None, None]
    shape = ["N", IMAGE_SIZE, IMAGE_SIZE, 3]
    model = helper.make_model(
        helper.make_graph(
            [
                helper.make_node("Cast", ["photos"], ["float"], to=TensorProto.FLOAT),
                helper.make_node("Gather", ["strength", "target"], ["wanted"], axis=0),
                helper.make_node("Mul", ["float", "wanted"], ["saliency"]),
            ],
            "saliency",
            [
                helper.make_tensor_value_info("photos", TensorProto.UINT8, shape),
                helper.make_tensor_value_info("target", TensorProto.INT64, ["N"]),
            ],
            [helper.make_tensor_value_info("saliency", TensorProto.FLOAT, shape)],
            [numpy_helper.from_array(strength, "strength")],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    digest = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    helper.set_model_props(model, {"weights": digest})
    onnx.save(model, folder / "saliency.onnx")
    return folder
