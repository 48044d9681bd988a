"""Heatmaps of a network by seven methods, at each of its three stages."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pytorch_grad_cam import EigenCAM, GradCAM, GradCAMPlusPlus, HiResCAM, LayerCAM
from pytorch_grad_cam.base_cam import BaseCAM
from pytorch_grad_cam.guided_backprop import GuidedBackpropReLU
from pytorch_grad_cam.utils.image import scale_cam_image
from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from plumage.contract import (
    GRAD_CAM,
    HIRESCAM,
    LAYERCAM,
    SMOOTH_GRAD,
    SMOOTH_GRAD_COPIES,
    SMOOTH_GRAD_NOISE,
)
from trainer.model.resnet import ResNet, to_input

BATCH = 10  # photos at once: more of them do not stay in the processor's cache

Maps = NDArray[np.float32]


class ThinEigenCAM(EigenCAM):
    """Eigen-CAM (Muhammad and Yeasin 2020), without the square matrix of all positions.

    The library's decomposition holds one, which takes gigabytes at the first stage.
    """

    def get_cam_image(self, input_tensor, target_layer, targets, activations, grads, eigen_smooth):
        """The first principal component over positions, (N, h, w)."""
        rows = torch.from_numpy(activations).flatten(2).transpose(1, 2)
        rows = rows - rows.mean(1, keepdim=True)
        first = torch.linalg.eigh(rows.transpose(1, 2) @ rows).eigenvectors[..., -1:]
        # A component has no sign of its own: the one that more of the activations agree with.
        first = first * torch.sign(first.sum(1, keepdim=True))
        return (rows @ first).reshape(len(rows), *activations.shape[2:]).numpy()


CAMS: dict[str, type[BaseCAM]] = {
    GRAD_CAM: GradCAM,  # Selvaraju et al. 2017
    "Grad-CAM++": GradCAMPlusPlus,  # Chattopadhyay et al. 2018
    HIRESCAM: HiResCAM,  # Draelos and Carin 2020
    LAYERCAM: LayerCAM,  # Jiang et al. 2021
    "Eigen-CAM": ThinEigenCAM,
}
METHODS = (*CAMS, "guided backpropagation", SMOOTH_GRAD)


class Guided(TorchFunctionMode):
    """ReLUs inside the block let back only what is positive (Springenberg et al. 2014).

    pytorch-grad-cam swaps modules, and leaves functional ReLUs as they are without a word.
    """

    def __torch_function__(self, func, types, args=(), kwargs=None):
        """Replace `F.relu`, call all else."""
        return GuidedBackpropReLU.apply(*args) if func is F.relu else func(*args, **(kwargs or {}))


def heatmaps(network: ResNet, photos: NDArray[np.uint8], species: NDArray[np.int64]) -> list:
    """The maps of every method at every stage.

    Args:
        network: in eval mode, float32, on the CPU.
        photos: (N, S, S, 3) uint8.
        species: (N,) whose logit is explained.

    Returns:
        (method, stage, maps) with stages counted from 1; maps: (N, S, S), scaled to 0..1.
    """
    parts: dict[tuple[str, int], list[Maps]] = {}
    for start in range(0, len(photos), BATCH):
        x = to_input(torch.from_numpy(np.ascontiguousarray(photos[start : start + BATCH])))
        targets = torch.from_numpy(species[start : start + BATCH])
        for method in METHODS:
            for stage, maps in enumerate(_of_each_stage(network, method, x, targets), start=1):
                parts.setdefault((method, stage), []).append(maps)
    return [(*key, np.concatenate(maps)) for key, maps in parts.items()]


def _of_each_stage(network: ResNet, method: str, x: Tensor, targets: Tensor) -> list[Maps]:
    if method in CAMS:
        with CAMS[method](network, list(network.stages)) as cam:
            cam.aggregate_multi_layers = lambda maps: [stage[:, 0] for stage in maps]
            wanted: list[Any] = [ClassifierOutputTarget(int(t)) for t in targets]
            return cam(x.clone().requires_grad_(), wanted)
    if method == SMOOTH_GRAD:
        return _scaled(smooth(lambda noisy: gradients(network, noisy, targets), x), x)
    with Guided():
        return _scaled(gradients(network, x, targets), x)


def gradients(network: ResNet, x: Tensor, targets: Tensor) -> list[Tensor]:
    """The gradient of each photo's logit with respect to each stage's map, (N, C, h, w)."""
    maps, y = [], network.stem(x.detach().requires_grad_())
    for stage in network.stages:
        maps.append(y := stage(y))
    logits = network.linear(y.mean(dim=(2, 3)))
    return list(torch.autograd.grad(logits.gather(1, targets[:, None]).sum(), maps))


def smooth(function: Callable[[Tensor], list[Tensor]], x: Tensor) -> list[Tensor]:
    """The mean of a function's results over noisy copies (Smilkov et al. 2017)."""
    generator = torch.Generator().manual_seed(0)
    deviation = SMOOTH_GRAD_NOISE * (
        x.amax((1, 2, 3), keepdim=True) - x.amin((1, 2, 3), keepdim=True)
    )
    copies = [
        function(x + deviation * torch.randn(x.shape, generator=generator))
        for _ in range(SMOOTH_GRAD_COPIES)
    ]
    return [torch.stack(maps).mean(0) for maps in zip(*copies, strict=True)]


def _scaled(maps: list[Tensor], x: Tensor) -> list[Maps]:
    """Strength over channels, stretched to the photo and to 0..1 as pytorch-grad-cam does."""
    side = x.shape[-1]
    return [scale_cam_image(m.abs().amax(1).detach().numpy(), (side, side)) for m in maps]
