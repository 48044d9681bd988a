"""The network's layers as ONNX nodes, forward and backward.

Written out, the gradient of a network has half the nodes that a recorded backward pass has, and is
exported in milliseconds instead of a minute. Maps are (N, C, H, W) float, statistics of them
(N, C, 1, 1), or (1, C, 1, 1) where all photos share them.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from plumage.contract import PHOTOS
from trainer.model.normalize import EPS, NormSpec, PoolAxes
from trainer.model.norms import Norm
from trainer.model.resnet import PIXEL_DEVIATION, PIXEL_MEAN, Block, ResNet

OPSET, IR_VERSION = 20, 10

Back = Callable[[str], str]  # from the name of an output's gradient to that of the input's
Layer = tuple[str, Back]  # the name of a layer's output, and its way back
Add = Callable[["Nodes", str], Layer]  # adds a layer's nodes behind the map of this name


class Nodes:
    """The nodes and constants of a graph that is being written; names are given out in order."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._known: dict[tuple[Any, ...], str] = {}

    def __call__(
        self, kind: str, *inputs: str, name: str = "", outputs: int = 1, **attributes: Any
    ) -> str:
        """Add a node; returns the name of its first output, the only one unless `outputs` says."""
        name = name or f"{kind}_{len(self.nodes)}"
        others = [f"{name}_{number}" for number in range(1, outputs)]
        self.nodes.append(helper.make_node(kind, inputs, [name, *others], **attributes))
        return name

    def constant(self, value: NDArray[Any] | Tensor, name: str = "") -> str:
        """The name of a constant; equal ones share it."""
        array = np.ascontiguousarray(value.detach() if isinstance(value, Tensor) else value)
        key = (array.dtype, array.shape, array.tobytes())
        if key not in self._known:
            self._known[key] = name or f"constant_{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(array, self._known[key]))
        return self._known[key]

    def number(self, value: float) -> str:
        """The name of a number."""
        return self.constant(np.array(value, np.float32))

    def shape(self, *sizes: int) -> str:
        """The name of a list of integers: a shape, or axes."""
        return self.constant(np.array(sizes, np.int64))

    def channels(self, value: Tensor) -> str:
        """The name of a number for each channel, (C,) -> (1, C, 1, 1)."""
        return self.constant(value[None, :, None, None])

    def mean(self, x: str) -> str:
        """The mean over the pixels of each channel of each photo, (N, C, 1, 1)."""
        # onnxruntime has it for maps as convolutions leave them, unlike ReduceMean.
        return self("GlobalAveragePool", x)

    def average(self, table: str, average: PoolAxes, channels: int) -> str:
        """Average a table (N, C, 1, 1) over groups, and give each channel its group's average."""
        if average.channels == 1:
            return table
        grouped = self.shape(0, -1, average.channels, 1)
        groups = self("ReduceMean", self("Reshape", table, grouped), self.shape(2))
        whole = self("Expand", groups, self.shape(1, 1, average.channels, 1))
        return self("Reshape", whole, self.shape(0, channels, 1, 1))


def chain(nodes: Nodes, x: str, *layers: Add) -> Layer:
    """Layers one after the other."""
    back: list[Back] = []
    for layer in layers:
        x, way = layer(nodes, x)
        back.append(way)

    def all_back(gradient: str) -> str:
        for way in reversed(back):
            gradient = way(gradient)
        return gradient

    return x, all_back


def convolution(layer: nn.Conv2d, name: str, side: int) -> Add:
    """A convolution without bias of maps with this side; `name` is its weight's."""
    (kernel, _), (stride, _) = layer.kernel_size, layer.stride
    padding = int(layer.padding[0])
    places: dict[str, Any] = {
        "kernel_shape": [kernel] * 2,
        "strides": [stride] * 2,
        "pads": [padding] * 4,
    }
    # A stride forgets how large its input was: the padding of the output brings it back.
    lost = (side + 2 * padding - kernel) % stride

    def add(nodes: Nodes, x: str) -> Layer:
        weight = nodes.constant(layer.weight, f"{name}.weight")
        return nodes("Conv", x, weight, **places), lambda gradient: nodes(
            "ConvTranspose", gradient, weight, output_padding=[lost] * 2, **places
        )

    return add


def relu(nodes: Nodes, x: str) -> Layer:
    """max(x, 0), whose gradient at 0 is 0, as torch's."""
    y = nodes("Relu", x)

    def back(gradient: str) -> str:
        nothing = nodes.number(0)
        return nodes("Where", nodes("LessOrEqual", y, nothing), nothing, gradient)

    return y, back


def normalisation(layer: nn.Module) -> Add:
    """A norm in eval mode, one of `trainer.model.norms` or torch's batch norm."""
    spec = spec_of(layer)

    def add(nodes: Nodes, x: str) -> Layer:
        shift = nodes.channels(spec.shift)
        scale = None if spec.scale is None else nodes.channels(spec.scale)
        if not spec.averages:
            assert scale is not None  # else it would give the same whatever the photo
            y = nodes("Add", nodes("Mul", x, scale), shift)
            return y, lambda gradient: nodes("Mul", gradient, scale)
        return deviations(nodes, x, spec, scale, shift)

    return add


def spec_of(layer: nn.Module) -> NormSpec:
    """The spec of a norm in eval mode."""
    if isinstance(layer, Norm):
        return layer.spec()
    assert isinstance(layer, nn.BatchNorm2d)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    scale = layer.weight * (layer.running_var + layer.eps).rsqrt()
    return NormSpec(scale, layer.bias - layer.running_mean * scale)


def deviations(nodes: Nodes, x: str, spec: NormSpec, scale: str | None, shift: str) -> Layer:
    """scale * x + shift + weight * (x - mean) / sqrt(var + EPS), as `normalize.plain` and
    `normalize.plain_backward`, which explain the formulas."""
    (average,), (given,) = spec.averages, spec.weights
    count, weight = len(given), nodes.channels(given)
    pilot = nodes.mean(nodes("Slice", x, *(nodes.shape(i) for i in (0, 1, 2))))
    centred = nodes("Sub", x, pilot)
    offset = nodes.mean(centred)
    # A product is faster in onnxruntime than a square.
    square = nodes.mean(nodes("Mul", centred, centred))
    var = nodes("Sub", square, nodes("Mul", offset, offset))
    var = nodes("Max", var, nodes.number(0))
    mean = nodes("Add", pilot, offset)
    pooled, pooled_var = mean, var
    if average.channels > 1:
        pooled = nodes.average(mean, average, count)
        off = nodes("Sub", mean, pooled)
        pooled_var = nodes.average(nodes("Add", var, nodes("Mul", off, off)), average, count)
    rstd = nodes("Reciprocal", nodes("Sqrt", nodes("Add", pooled_var, nodes.number(EPS))))
    own = nodes("Mul", weight, rstd)
    by_x = own if scale is None else nodes("Add", own, scale)
    by_one = nodes("Sub", shift, nodes("Mul", pooled, own))
    y = nodes("Add", nodes("Mul", x, by_x), by_one)

    def back(gradient: str) -> str:
        # Means over the pixels of dy and of dy * (x - mean), then over what is averaged.
        of_dy = nodes.mean(gradient)
        of_both = nodes.mean(nodes("Mul", gradient, centred))
        of_both = nodes("Add", of_both, nodes("Mul", nodes("Sub", pilot, pooled), of_dy))
        a, b = (
            nodes.average(nodes("Mul", weight, table), average, count) for table in (of_dy, of_both)
        )
        slope = nodes("Mul", b, nodes("Mul", rstd, nodes("Mul", rstd, rstd)))
        constant = nodes("Sub", nodes("Mul", pooled, slope), nodes("Mul", a, rstd))
        dx = nodes("Sub", nodes("Mul", gradient, by_x), nodes("Mul", x, slope))
        return nodes("Add", dx, constant)

    return y, back


def block(layer: Block, name: str, side: int) -> Add:
    """relu(x + norm(conv(relu(norm(conv(x)))))) of maps with this side."""
    after = strided(side, layer.conv1)

    def add(nodes: Nodes, x: str) -> Layer:
        y, back = chain(
            nodes,
            x,
            convolution(layer.conv1, f"{name}.conv1", side),
            normalisation(layer.norm1),
            relu,
            convolution(layer.conv2, f"{name}.conv2", after),
            normalisation(layer.norm2),
        )
        short, short_back = x, None
        if isinstance(layer.shortcut, nn.Sequential):
            projection, norm = layer.shortcut
            assert isinstance(projection, nn.Conv2d)
            short, short_back = chain(
                nodes,
                x,
                convolution(projection, f"{name}.shortcut.0", side),
                normalisation(norm),
            )
        y, relu_back = relu(nodes, nodes("Add", y, short))

        def both_back(gradient: str) -> str:
            gradient = relu_back(gradient)
            other = short_back(gradient) if short_back else gradient
            return nodes("Add", back(gradient), other)

        return y, both_back

    return add


def strided(side: int, layer: nn.Conv2d) -> int:
    """The side of what a convolution makes of maps with this side."""
    kernel, padding, stride = layer.kernel_size[0], int(layer.padding[0]), layer.stride[0]
    return (side + 2 * padding - kernel) // stride + 1


class Map(NamedTuple):
    """A feature map of the network: its name, its side in pixels, its channels, and the way back to
    the map before it."""

    name: str
    side: int
    channels: int
    back: Back


def feature_maps(nodes: Nodes, network: ResNet, side: int) -> list[Map]:
    """`ResNet.maps` of the input PHOTOS, (N, side, side, 3) uint8.

    The way back of the first leads to the gradient of the pixels, (N, side, side, 3).
    """
    x, back = chain(
        nodes,
        PHOTOS,
        to_input,
        convolution(network.conv, "conv", side),
        normalisation(network.norm),
        relu,
    )
    found = [Map(x, side, network.conv.out_channels, back)]
    for name, layer in network.stages.named_modules(prefix="stages"):
        if isinstance(layer, Block):
            x, back = block(layer, name, side)(nodes, x)
            side = strided(side, layer.conv1)
            found.append(Map(x, side, layer.conv2.out_channels, back))
    return found


def to_input(nodes: Nodes, photos: str) -> Layer:
    """`trainer.model.resnet.to_input`."""
    mean, deviation = (
        nodes.channels(torch.tensor(values)) for values in (PIXEL_MEAN, PIXEL_DEVIATION)
    )
    # The transposition comes first, since onnxruntime spreads numbers over the last axis slowly.
    pixels = nodes("Cast", nodes("Transpose", photos, perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
    x = nodes("Div", nodes("Sub", pixels, mean), deviation)
    return x, lambda gradient: nodes(
        "Transpose", nodes("Div", gradient, deviation), perm=[0, 2, 3, 1]
    )


def model_of(
    nodes: Nodes,
    inputs: Mapping[str, tuple[int, Sequence[int]]],
    outputs: Mapping[str, Sequence[int]],
) -> onnx.ModelProto:
    """The model of all nodes.

    Args:
        nodes: those that were added.
        inputs: the ONNX data type of each and its shape, without the photos' axis.
        outputs: the shape of each, which is float, without the photos' axis.
    """
    described = helper.make_tensor_value_info
    return helper.make_model(
        helper.make_graph(
            nodes.nodes,
            "plumage",
            [described(name, kind, ["photos", *shape]) for name, (kind, shape) in inputs.items()],
            [
                described(name, TensorProto.FLOAT, ["photos", *shape])
                for name, shape in outputs.items()
            ],
            nodes.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="plumage",
    )
