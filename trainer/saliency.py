"""Network -> saliency.onnx: the gradient of a species' logit with respect to the photo's pixels.

    python -m trainer.saliency --data PHOTOS

makes it for every checkpoint. onnxruntime then draws what torch's
backward pass would, without torch (Simonyan et al. 2013, arXiv:1312.6034). The graph's weights are
those of the checkpoint's weights.safetensors, which it points into.
"""

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import safetensors.torch
import torch
import torch.fx.experimental._config
import tyro
from numpy.typing import NDArray
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from trainer.checkpoint import OnCheckpoints, read_reports
from trainer.export import ExportError, without_traces
from trainer.files import replacing
from trainer.norms import NORMS
from trainer.photos import PhotoFolder, PhotoSetError
from trainer.recipe import Recipe
from trainer.resnet import ResNet, to_input

TOLERANCE = 1e-4
SMALL = 1024  # bytes


def gradient(network: ResNet) -> Callable[[Tensor, Tensor], Tensor]:
    """The function that saliency.onnx computes.

    photos: (N, S, S, 3) uint8, target: (N,) int64 -> (N, S, S, 3) float32, the gradient of each
    photo's target logit with respect to its pixels on the scale 0 to 255.
    """

    def saliency(photos: Tensor, target: Tensor) -> Tensor:
        def logits(pixels: Tensor) -> Tensor:
            # Photos of a batch do not see each other, so the sum's gradient is each one's own.
            return network(to_input(pixels)).gather(1, target[:, None]).sum()

        return torch.func.grad(logits)(photos.float())

    return saliency


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
    function = gradient(network.requires_grad_(False))
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
    program = torch.onnx.export(
        traced.eval(),
        (two, target),
        dynamo=True,
        dynamic_shapes=({0: batch}, {0: batch}),
        input_names=["photos", "target"],
        output_names=["saliency"],
        external_data=False,
        verbose=False,
    )
    assert program is not None  # it is None only where torch writes the file itself
    model = point_into(without_traces(program.model_proto), folder / "weights.safetensors")
    path = folder / "saliency.onnx"
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
    function: Callable[[Tensor, Tensor], Tensor], path: Path, photos: NDArray[np.uint8]
) -> float:
    """Largest difference of an ONNX file from torch in parts of a photo's largest gradient.

    The median over photos: a gradient jumps where a ReLU's input passes zero, so that on some photo
    rounding alone moves a few pixels by a percent, while a wrong graph is wrong on all of them.
    """
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    target = np.arange(len(photos), dtype=np.int64) % 2
    ours = session.run(["saliency"], {"photos": photos, "target": target})[0]
    theirs = function(torch.from_numpy(photos.copy()), torch.from_numpy(target)).numpy()
    pixels = (1, 2, 3)
    return float(np.median(np.abs(ours - theirs).max(pixels) / np.abs(theirs).max(pixels)))


def open_network(folder: Path, recipe: Recipe, species: int) -> ResNet:
    """The network of a checkpoint, in eval mode."""
    network = ResNet(NORMS[recipe.norm], n=recipe.n, outputs=species)
    network.load_state_dict(safetensors.torch.load_file(folder / "weights.safetensors"))
    return network.eval()


@dataclass(frozen=True)
class Command(OnCheckpoints):
    """Write saliency.onnx into every checkpoint, checked on photos of the val split."""


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status: 0, or 2 for what the user can mend."""
    command = tyro.cli(Command, prog="python -m trainer.saliency", args=arguments)
    source = PhotoFolder(Path(command.data))
    try:
        source.check()
        for name, report in read_reports(command.checkpoints).items():
            folder, recipe = command.checkpoints / name, Recipe(**report["recipe"])
            network = open_network(folder, recipe, len(report["species"]))
            val = source.load("val", recipe.image_size, Path(command.output) / "cache")
            difference = export_saliency(network, folder, val.pixels[:: len(val.labels) // 8])
            print(f"{name:10} differs from torch by {difference:.1g}")
    except (PhotoSetError, ExportError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
