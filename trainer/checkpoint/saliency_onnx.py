"""Network -> saliency.onnx: gradients of a species' logit, at the photo's pixels and each stage.

onnxruntime then draws what torch's backward pass would, without torch: the pixels' gradient
(Simonyan et al. 2013, arXiv:1312.6034) and, from a stage's features and their gradients, Grad-CAM
and its kin. The graph's weights are those of the checkpoint's weights.safetensors, which it points
into.
"""

import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
import torch.fx.experimental._config
from numpy.typing import NDArray
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from plumage.contract import SALIENCY, SALIENCY_OUTPUTS, WEIGHTS, WEIGHTS_DIGEST
from trainer.checkpoint.classifier_onnx import ExportError, without_traces
from trainer.model.resnet import ResNet, to_input
from trainer.utils.files import replacing

TOLERANCE = 1e-4
SMALL = 1024  # bytes


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


def input_gradient_only(
    dy, x, weight, bias, stride, padding, dilation, transposed, output_padding, groups, mask
) -> tuple[Tensor, None, None]:
    """What stands for `aten.convolution_backward`, which ONNX has not: a transposed convolution.

    The gradients of weight and bias, which nobody asks for, are left out.
    """
    # A stride forgets how large its input was: the padding of the output brings it back.
    lost = [
        int(before - ((after - 1) * s - 2 * p + d * (k - 1) + 1))
        for before, after, s, p, d, k in zip(
            x.shape[2:], dy.shape[2:], stride, padding, dilation, weight.shape[2:], strict=True
        )
    ]
    convolution = torch.ops.aten.convolution.default
    return convolution(dy, weight, None, stride, padding, dilation, True, lost, groups), None, None


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
    two, target = torch.from_numpy(photos[:2].copy()), torch.tensor([0, 1])
    # Without "duck shapes" two photos are not taken for the same number as two of anything else.
    with torch.fx.experimental._config.patch(use_duck_shape=False):  # type: ignore[attr-defined]
        traced = make_fx(
            function,
            tracing_mode="symbolic",
            _allow_non_fake_inputs=True,
            decomposition_table={
                torch.ops.aten.convolution_backward.default: input_gradient_only,
            },
        )(two, target)
    traced.graph.eliminate_dead_code()
    traced.recompile()
    batch = torch.export.Dim("photos", min=1)
    with warnings.catch_warnings():
        # Both inputs have the name of the first one's axis, as they should.
        warnings.filterwarnings("ignore", "# The axis name", UserWarning)
        program = torch.onnx.export(
            traced.eval(),
            (two, target),
            dynamo=True,
            dynamic_shapes=({0: batch}, {0: batch}),
            input_names=["photos", "target"],
            output_names=list(SALIENCY_OUTPUTS),
            external_data=False,
            verbose=False,
        )
    assert program is not None  # it is None only where torch writes the file itself
    model = point_into(without_traces(program.model_proto), folder / WEIGHTS)
    onnx.helper.set_model_props(model, {"weights": digest(folder)})
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


def point_into(model: onnx.ModelProto, weights: Path) -> onnx.ModelProto:
    """The model with every tensor that the weights' file holds read from there and not stored."""
    data = weights.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    places = {}
    for name, entry in header.items():
        if name != "__metadata__":
            first, last = entry["data_offsets"]
            places[data[start + first : start + last]] = (start + first, last - first)
    for tensor in model.graph.initializer:
        # Small ones may be shapes, which onnxruntime wants inside, and chance upon equal bytes.
        if len(tensor.raw_data) > SMALL and (place := places.get(tensor.raw_data)):
            tensor.ClearField("raw_data")
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in zip(("offset", "length"), place, strict=True):
                tensor.external_data.add(key=key, value=str(value))
            tensor.external_data.add(key="location", value=weights.name)
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
    ours = session.run(list(SALIENCY_OUTPUTS), {"photos": photos, "target": target})
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
