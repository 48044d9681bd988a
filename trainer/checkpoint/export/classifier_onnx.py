"""Network -> one self-contained model.onnx, checked against torch before it is kept."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from plumage.contract import (
    HEATMAPS,
    IMAGE_SIZE,
    LOGITS,
    NORM,
    NOUN,
    NOVELTY,
    OUTPUTS,
    PHOTOS,
    SPECIES,
)
from trainer.checkpoint.export.onnx_layers import Map, Nodes, feature_maps, model_of
from trainer.checkpoint.novelty import CLIP, Novelty, statistics
from trainer.model.resnet import ResNet, to_input
from trainer.utils.cli import UserError
from trainer.utils.files import replacing

TOLERANCE = 1e-4
# Distances divide by small deviations, which magnifies the rounding of what they are taken of.
NOVELTY_TOLERANCE = 1e-2  # a few photos of two colours reach 4e-3


class ExportError(UserError):
    """The exported graph does not compute what the network does."""


class Exported(nn.Module):
    """The module of model.onnx: logits, the Grad-CAM map of every species at once, and novelty.

    Grad-CAM (Selvaraju et al. 2017) weighs the last feature map's channels with the mean gradient
    of a species' logit. Behind mean pooling and one linear layer that gradient is the layer's
    weight over the number of positions, so every species' map is one matrix product.
    """

    def __init__(self, network: ResNet, novelty: Novelty) -> None:
        super().__init__()
        self.network = network
        self.novelty = novelty

    def forward(self, photos: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """photos: (N, S, S, 3) uint8 -> logits (N, species), heatmaps (N, species, S/4, S/4),
        novelty (N,)."""
        maps = self.network.maps(to_input(photos))
        features = maps[-1]
        logits = self.network.linear(features.mean(dim=(2, 3)))
        positions = features.shape[2] * features.shape[3]
        weights = self.network.linear.weight / positions
        heatmaps = torch.relu(nn.functional.conv2d(features, weights[:, :, None, None]))
        return logits, heatmaps, self.novelty(statistics(maps), logits)


def graph(module: Exported, side: int) -> onnx.ModelProto:
    """`Exported` in eval mode for photos of this side in pixels, as a model without metadata."""
    nodes, network = Nodes(), module.network
    maps = feature_maps(nodes, network, side)
    last, linear = maps[-1], network.linear
    weight, bias = nodes.constant(linear.weight), nodes.constant(linear.bias, "linear.bias")
    pooled = nodes("Flatten", nodes.mean(last.name))
    nodes("Gemm", pooled, weight, bias, transB=1, name=LOGITS)
    shares = nodes.constant((linear.weight / last.side**2)[:, :, None, None])
    nodes("Relu", nodes("Conv", last.name, shares), name=HEATMAPS)
    add_novelty(nodes, maps, module.novelty)
    species = linear.out_features
    outputs = {LOGITS: (species,), HEATMAPS: (species, last.side, last.side), NOVELTY: ()}
    return model_of(nodes, {PHOTOS: (onnx.TensorProto.UINT8, (side, side, 3))}, outputs)


def add_novelty(nodes: Nodes, maps: Sequence[Map], novelty: Novelty) -> None:
    """Add the output NOVELTY: `Novelty` of the `statistics` of feature maps and of LOGITS."""
    rows = nodes.shape(1)

    def part(x: str, start: int, end: int, axis: int) -> str:
        return nodes("Slice", x, nodes.shape(start), nodes.shape(end), nodes.shape(axis))

    def differences(x: str, side: int, axis: int) -> str:
        steps = nodes("Sub", part(x, 1, side, axis), part(x, 0, side - 1, axis))
        return nodes.mean(nodes("Abs", steps))

    def over(x: str, deviation: float) -> str:
        return nodes("Div", x, nodes.number(deviation))

    found = []
    for x, side, _, _ in maps:
        if side < maps[0].side:
            found.append(nodes("Add", differences(x, side, 2), differences(x, side, 3)))
        average = nodes.mean(x)
        square = nodes.mean(nodes("Mul", x, x))
        variance = nodes("Sub", square, nodes("Mul", average, average))
        found += [average, nodes("Sqrt", nodes("Max", variance, nodes.number(1e-8)))]
    count, species = len(novelty.directions), len(novelty.mean) - len(novelty.directions)
    ordered = nodes("TopK", LOGITS, nodes.shape(species), outputs=2)
    found_statistics = nodes("Flatten", nodes("Concat", *found, axis=1))
    ood_features = nodes("Concat", found_statistics, ordered, axis=1)
    x = nodes("Sub", ood_features, nodes.constant(novelty.mean))
    x = nodes("Div", x, nodes.constant(novelty.deviation))
    directions = nodes("Cast", nodes.constant(novelty.directions), to=onnx.TensorProto.FLOAT)
    z = nodes("MatMul", part(x, 0, count, 1), directions)
    likeliest = nodes("ReduceMax", nodes("Softmax", LOGITS, axis=1), rows, keepdims=0)
    uncertainty = nodes("Sub", nodes.number(1), likeliest)
    # |z - c|^2 of all species at once, as in `Novelty.parts`.
    products = nodes("MatMul", z, nodes.constant(-2 * novelty.centres.T))
    lengths = nodes.constant((novelty.centres**2).sum(dim=1))
    nearest = nodes("ReduceMin", nodes("Add", products, lengths), rows, keepdims=0)
    background = nodes.constant(1 - novelty.background)
    distance = nodes("Add", nearest, nodes("MatMul", nodes("Mul", z, z), background))
    limits = nodes.number(-CLIP), nodes.number(CLIP)
    odds = nodes("MatMul", nodes("Clip", x, *limits), nodes.constant(novelty.weights))
    first, second, third = map(over, (uncertainty, distance, odds), novelty.deviations)
    nodes("Add", nodes("Add", first, second), third, name=NOVELTY)


def export(
    network: ResNet,
    novelty: Novelty,
    path: Path,
    *,
    norm: str,
    image_size: int,
    species: tuple[str, ...],
    photos: NDArray[np.uint8],
    noun: str = "",
) -> dict[str, float]:
    """Write model.onnx and return its largest differences from torch.

    What is fitted on its answers is missing from its metadata: `add_metadata` adds it.

    Args:
        network: changed to eval mode, float32, on the CPU.
        novelty: fitted on this network.
        path: where model.onnx goes; nothing is kept there if a check fails.
        norm: key in `trainer.model.norms.NORMS`.
        image_size: S, the side that photos are squeezed to.
        species: names in logit order.
        photos: (N, S, S, 3) uint8, real ones, to check with.
        noun: for what a photo shows, in the app's words; empty for none.

    Raises:
        ExportError: logits or heatmaps differ by more than 1e-4, or novelty by more than 1e-2.
    """
    module = Exported(network.float().cpu(), novelty).eval()
    metadata = {
        NORM: norm,
        IMAGE_SIZE: str(image_size),
        SPECIES: json.dumps(species),
        **({NOUN: noun} if noun else {}),
    }
    with torch.no_grad():
        model = graph(module, image_size)
    with replacing(path) as temporary:
        onnx.save(_with_metadata(model, metadata), temporary)
        differences = compare(module, temporary, photos)
        limits = dict.fromkeys(differences, TOLERANCE) | {NOVELTY: NOVELTY_TOLERANCE}
        if not all(differences[name] <= limit for name, limit in limits.items()):
            raise ExportError(
                f"The exported graph differs from the network ({differences}): {path} was not "
                "written; please report this with the versions of torch, onnx and onnxruntime."
            )
    return differences


def add_metadata(path: Path, values: Mapping[str, Any]) -> None:
    """Store values as JSON in the metadata of a model.onnx, beside what is there."""
    model = onnx.load(path)
    metadata = {entry.key: entry.value for entry in model.metadata_props}
    metadata |= {key: json.dumps(value) for key, value in values.items()}
    with replacing(path) as temporary:
        onnx.save(_with_metadata(model, metadata), temporary)


def _with_metadata(model: onnx.ModelProto, metadata: dict[str, str]) -> onnx.ModelProto:
    """The model with exactly this metadata."""
    model = strip_debug_info(model)
    onnx.helper.set_model_props(model, metadata)
    return model


def strip_debug_info(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without metadata, without the names of source files in its nodes, and without the
    shapes between them, which runtimes find by themselves."""
    del model.metadata_props[:]
    del model.graph.value_info[:]
    for part in (*model.graph.node, *model.graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    for node in model.graph.node:
        node.name = ""
    for end in (model.graph, *model.graph.input, *model.graph.output):
        del end.metadata_props[:]
    return model


def compare(module: Exported, path: Path, photos: NDArray[np.uint8]) -> dict[str, float]:
    """Largest differences of an ONNX file from torch.

    Heatmaps' differences are in parts of the largest value in any map of the photo, novelty's in
    parts of the largest of any photo, where that is above 1.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    logits, heatmaps, novelty = session.run(list(OUTPUTS), {PHOTOS: photos})
    with torch.no_grad():
        expected = (t.numpy() for t in module(torch.from_numpy(photos.copy())))
        torch_logits, torch_heatmaps, torch_novelty = expected
    peaks = heatmaps.max(axis=(1, 2, 3))
    from_torch = np.abs(heatmaps - torch_heatmaps)
    return {
        "logits": float(np.abs(logits - torch_logits).max()),
        "heatmaps": float((from_torch.max(axis=(1, 2, 3)) / peaks).max()),
        "novelty": float(np.abs(novelty - torch_novelty).max() / np.abs(novelty).max().clip(1)),
    }
