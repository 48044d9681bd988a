"""A saliency.onnx beside the small checkpoint that the app's tests share."""

import hashlib
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from plumage.contract import SALIENCY_OUTPUTS, STAGES
from tests.conftest import IMAGE_SIZE, SPECIES


def add_saliency(folder: Path) -> Path:
    """Write the file by the contract of a real one.

    What it gives for the species of index t is t + 1 times the pixels' own values. The features of
    stage k are the pixels, (N, 3, S, S), times k, and the gradients at them the pixels times t + 1.
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
                helper.make_node("Transpose", ["float"], ["channels"], perm=[0, 3, 1, 2]),
                helper.make_node("Transpose", ["saliency"], ["strong"], perm=[0, 3, 1, 2]),
                *(
                    node
                    for stage in STAGES
                    for node in (
                        helper.make_node("Mul", ["channels", f"{stage}"], [f"features_{stage}"]),
                        helper.make_node("Identity", ["strong"], [f"gradients_{stage}"]),
                    )
                ),
            ],
            "saliency",
            [
                helper.make_tensor_value_info("photos", TensorProto.UINT8, shape),
                helper.make_tensor_value_info("target", TensorProto.INT64, ["N"]),
            ],
            [
                helper.make_tensor_value_info(
                    name, TensorProto.FLOAT, shape if name == "saliency" else ["N", 3, *shape[1:3]]
                )
                for name in SALIENCY_OUTPUTS
            ],
            [
                numpy_helper.from_array(strength, "strength"),
                *(numpy_helper.from_array(np.float32(stage), f"{stage}") for stage in STAGES),
            ],
        ),
        opset_imports=[helper.make_opsetid("", 18)],
        ir_version=10,
    )
    digest = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    helper.set_model_props(model, {"weights": digest})
    onnx.save(model, folder / "saliency.onnx")
    return folder
