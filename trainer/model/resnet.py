"""The residual network for small photos of He et al. 2015, section 4.2."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from trainer.model import norms

Norm = Callable[[int], nn.Module]


# Mean and deviation of natural photos' red, green and blue, on the scale 0 to 255.
PIXEL_MEAN = (123.7, 116.3, 103.5)
PIXEL_DEVIATION = (58.4, 57.1, 57.4)


def to_input(photos: Tensor) -> Tensor:
    """Normalise pixels: (N, H, W, 3) uint8 RGB -> (N, 3, H, W) float, channels last in memory."""
    # Channels first, since onnxruntime takes far longer to spread three numbers over the last axis.
    mean, deviation = (
        torch.tensor(of_channels, device=photos.device)[:, None, None]
        for of_channels in (PIXEL_MEAN, PIXEL_DEVIATION)
    )
    return (photos.permute(0, 3, 1, 2).float() - mean) / deviation


def conv3x3(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    """A 3x3 convolution whose zero padding keeps sizes; the norm after it brings the bias."""
    return nn.Conv2d(inputs, outputs, kernel_size=3, stride=stride, padding=1, bias=False)


def norm_relu(norm: nn.Module, x: Tensor, residual: Tensor | None = None) -> Tensor:
    """relu(norm(x) + residual), which our own norms compute in as few passes as norm(x)."""
    if isinstance(norm, norms.Norm):
        return norm(x, residual, relu=True)
    return F.relu(norm(x) if residual is None else norm(x) + residual)


class Block(nn.Module):
    """Two layers with a shortcut around them: relu(x + norm(conv(relu(norm(conv(x)))))).

    Where the block changes size or width, the shortcut is a 1x1 projection with the same stride
    (option B of the paper).
    """

    def __init__(self, norm: Norm, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1 = conv3x3(inputs, outputs, stride)
        self.norm1 = norm(outputs)
        self.conv2 = conv3x3(outputs, outputs)
        self.norm2 = norm(outputs)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or inputs != outputs:
            projection = nn.Conv2d(inputs, outputs, kernel_size=1, stride=stride, bias=False)
            self.shortcut = nn.Sequential(projection, norm(outputs))

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, inputs, H, W) float -> (N, outputs, H / stride, W / stride)."""
        y = norm_relu(self.norm1, self.conv1(x))
        return norm_relu(self.norm2, self.conv2(y), self.shortcut(x))


class ResNet(nn.Module):
    """A residual network of 6n+2 layers (He et al. 2015, section 4.2).

    A first convolution, then three stages of n blocks at full, half and quarter resolution, the
    mean over all positions, and one linear layer.

    Args:
        norm: makes the normalisation of a channel count; see `trainer.model.norms.NORMS`.
        n: blocks in each stage.
        outputs: species to tell apart.
        widths: filters of the three stages.
    """

    def __init__(
        self, norm: Norm, n: int = 2, outputs: int = 25, widths: Sequence[int] = (16, 32, 64)
    ) -> None:
        super().__init__()
        self.conv = conv3x3(3, widths[0])
        self.norm = norm(widths[0])
        self.stages = nn.Sequential()
        inputs = widths[0]
        for stage, width in enumerate(widths):
            strides = [1 if stage == 0 else 2] + [1] * (n - 1)
            blocks = []
            for stride in strides:
                blocks.append(Block(norm, inputs, width, stride))
                inputs = width
            self.stages.append(nn.Sequential(*blocks))
        self.linear = nn.Linear(inputs, outputs)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def stem(self, x: Tensor) -> Tensor:
        """x: (N, 3, H, W) float -> the map that goes into the first block, (N, widths[0], H, W)."""
        return norm_relu(self.norm, self.conv(x))

    def maps(self, x: Tensor) -> list[Tensor]:
        """x: (N, 3, H, W) float -> the feature map that goes into each block, and the last one."""
        found = [self.stem(x)]
        for stage in self.stages.children():
            for block in stage.children():
                found.append(block(found[-1]))
        return found

    def features(self, x: Tensor) -> Tensor:
        """x: (N, 3, H, W) float -> the last feature map, (N, widths[-1], H / 4, W / 4)."""
        return self.stages(self.stem(x))

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, 3, H, W) float -> logits (N, outputs)."""
        return self.linear(self.features(x).mean(dim=(2, 3)))


def layer_count(network: nn.Module) -> int:
    """Layers with weights as the paper counts them: projections on shortcuts are left out."""
    return sum(
        isinstance(m, nn.Linear) or (isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1))
        for m in network.modules()
    )
