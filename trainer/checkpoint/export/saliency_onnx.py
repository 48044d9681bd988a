"""Network -> saliency.onnx: gradients of a species' logit, at the photo's pixels and each stage.

onnxruntime then draws what torch's backward pass would, without torch: the pixels' gradient
(Simonyan et al. 2013, arXiv:1312.6034) and, from a stage's features and their gradients, Grad-CAM
and its kin. The graph's weights are those of the checkpoint's weights.safetensors, which it points
into.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto
from torch import Tensor

from plumage.contract import (
    PHOTOS,
    SALIENCY,
    SALIENCY_OUTPUTS,
    STAGES,
    TARGET,
    WEIGHTS,
    WEIGHTS_DIGEST,
)
from trainer.checkpoint.export.classifier_onnx import ExportError
from trainer.checkpoint.export.onnx_layers import Nodes, feature_maps, model_of
from trainer.model.resnet import ResNet, to_input
from trainer.utils.files import replacing

TOLERANCE = 1e-4


def gradients(network: ResNet) -> Callable[[Tensor, Tensor], tuple[Tensor, ...]]:
    """The function that saliency.onnx computes.

    photos: (N, S, S, 3) uint8, target: (N,) int64 -> SALIENCY_OUTPUTS: first the gradient of each
    photo's target logit with respect to its pixels on the scale 0 to 255, (N, S, S, 3) float32;
    then the features (N, C, h, w) that leave each stage, and the logit's gradient at each.
    """
    first, *others = network.stages

    def first_features(pixels: Tensor) -> Tensor:
        return first(network.stem(to_input(pixels)))

    def outputs(photos: Tensor, target: Tensor) -> tuple[Tensor, ...]:
        def logit(features: Tensor) -> Tensor:
            # Photos of a batch do not see each other, so the sum's gradient is each one's own.
            logits = network.linear(features.mean(dim=(2, 3)))
            return logits.gather(1, target[:, None]).sum()

        features, backward = [photos.float()], []
        parts: list[Callable[[Tensor], Tensor]] = [first_features, *others]
        for part in parts:
            found, pull = torch.func.vjp(part, features[-1])[:2]
            features.append(found)
            backward.append(pull)
        found_gradients = [torch.func.grad(logit)(features[-1])]
        for pull in reversed(backward):
            found_gradients.append(*pull(found_gradients[-1]))
        saliency, *of_stages = reversed(found_gradients)
        return saliency, *features[1:], *of_stages

    return outputs


def graph(network: ResNet, side: int) -> onnx.ModelProto:
    """`gradients` of a network in eval mode, for photos of this side in pixels, as a model."""
    nodes = Nodes()
    maps = feature_maps(nodes, network, side)
    blocks = (len(maps) - 1) // len(STAGES)
    stages = {number: maps[number * blocks] for number in STAGES}
    for number, leaving in stages.items():
        nodes("Identity", leaving.name, name=f"features_{number}")
    # Behind mean pooling and a linear layer, each position gets its share of the weight.
    weight = nodes.constant(network.linear.weight, "linear.weight")
    last = maps[-1].side
    own = nodes("Mul", nodes("Gather", weight, TARGET), nodes.number(1 / last**2))
    gradient = nodes("Unsqueeze", own, nodes.shape(2, 3))
    gradient = nodes("Expand", gradient, nodes.shape(1, 1, last, last))
    for place, leaving in reversed([*enumerate(maps)]):
        if place and place % blocks == 0:
            nodes("Identity", gradient, name=f"gradients_{place // blocks}")
        gradient = leaving.back(gradient)
    nodes("Identity", gradient, name=SALIENCY_OUTPUTS[0])
    shapes = {
        f"{kind}_{number}": (leaving.channels, leaving.side, leaving.side)
        for kind in ("features", "gradients")
        for number, leaving in stages.items()
    }
    photo = (side, side, 3)
    return model_of(
        nodes,
        {PHOTOS: (TensorProto.UINT8, photo), TARGET: (TensorProto.INT64, ())},
        {SALIENCY_OUTPUTS[0]: photo} | shapes,
    )


def export_saliency(network: ResNet, folder: Path, photos: NDArray[np.uint8]) -> float:
    """Write saliency.onnx and return its difference from torch, as `difference_from` takes it.

    Args:
        network: in eval mode, float32, on the CPU; the one whose weights the folder holds.
        folder: a checkpoint with its weights.safetensors.
        photos: (N, S, S, 3) uint8, three or more real ones, to check with.

    Raises:
        ExportError: the graph does not compute torch's gradient.
    """
    function = gradients(network.requires_grad_(False))
    model = share_weights(graph(network, photos.shape[1]), folder / WEIGHTS)
    onnx.helper.set_model_props(model, {WEIGHTS_DIGEST: digest(folder)})
    path = folder / SALIENCY
    with replacing(path) as temporary:
        onnx.save(model, temporary)
        difference = difference_from(function, temporary, photos)
        if not difference <= TOLERANCE:
            raise ExportError(
                f"The exported gradient differs from torch's by {difference:.2g}: {path} was not "
                "written; please report this with the versions of torch, onnx and onnxruntime."
            )
    return difference


def share_weights(model: onnx.ModelProto, weights: Path) -> onnx.ModelProto:
    """The model with every tensor that the weights' file names read from there and not stored."""
    with weights.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    for tensor in model.graph.initializer:
        if tensor.name in header:
            first, last = header[tensor.name]["data_offsets"]
            tensor.ClearField("raw_data")
            tensor.data_location = TensorProto.EXTERNAL
            place = {"location": weights.name, "offset": 8 + length + first, "length": last - first}
            for key, value in place.items():
                tensor.external_data.add(key=key, value=str(value))
    return model


def difference_from(
    function: Callable[[Tensor, Tensor], tuple[Tensor, ...]],
    path: Path,
    photos: NDArray[np.uint8],
) -> float:
    """Largest difference of an ONNX file from torch, in parts of each output's largest value.

    The quarter of the photos with the least: a gradient jumps where a ReLU's input passes zero, so
    that on some, of `in` on half of them, rounding alone moves a few pixels by a thousandth of the
    largest, while a wrong graph is wrong on all of them.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    target = np.arange(len(photos), dtype=np.int64) % 2
    ours = session.run(list(SALIENCY_OUTPUTS), {PHOTOS: photos, TARGET: target})
    theirs = function(torch.from_numpy(photos.copy()), torch.from_numpy(target))
    return max(
        float(np.quantile(largest(mine - torchs.numpy()) / largest(torchs.numpy()), 0.25))
        for mine, torchs in zip(ours, theirs, strict=True)
    )


def largest(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The largest magnitude of each photo's values, (N, ...) -> (N,)."""
    return np.abs(values).max(axis=tuple(range(1, values.ndim)))


def digest(folder: Path) -> str:
    """SHA-256 of a checkpoint's weights, which saliency.onnx keeps in its metadata `weights`."""
    return hashlib.sha256((folder / WEIGHTS).read_bytes()).hexdigest()


def is_current(folder: Path) -> bool:
    """Whether a checkpoint has a saliency.onnx of all outputs, made of the weights it has now."""
    path = folder / SALIENCY
    if not path.exists():
        return False
    model = onnx.load(path, load_external_data=False)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    names = [output.name for output in model.graph.output]
    return metadata.get(WEIGHTS_DIGEST) == digest(folder) and names == list(SALIENCY_OUTPUTS)
