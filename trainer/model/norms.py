"""Seven ways to normalise a feature map, six of them from scratch.

All six start from the mean and variance of each channel of each photo, a small (N, C) table, and
differ in what they average that table over. What comes out is always one scale and one shift for
each channel of each photo, y[n,c] = scale[n,c] * x[n,c] + shift[n,c], so the large map is read
once for the table and once for the result, whatever the scheme.

The attribute `average` is the whole of a scheme; `trainer.model.normalize` does the rest for all of
them.
`NORMS` names them: each key maps to a constructor that takes the channel count.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from trainer.model.normalize import EPS, NormSpec, PoolAxes, normalize


class Norm(nn.Module):
    """The base of the six layers: check of the input, weight and bias.

    Args:
        channels: of the maps to be normalised.

    Attributes:
        average: what is normalised together, the scheme in a line.
        weight, bias: (C,) learned scale and shift of the result.
    """

    average: PoolAxes

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def extra_repr(self) -> str:
        """The text between the parentheses when printed."""
        return str(self.channels)

    def spec(self) -> NormSpec:
        """The layer's spec."""
        return NormSpec(None, self.bias, (self.average,), (self.weight,))

    def check(self, x: Tensor) -> None:
        """Refuse a map that cannot be normalised."""
        if x.dim() != 4 or x.shape[1] != self.channels:
            wanted = f"(N, {self.channels}, H, W)"
            raise ValueError(f"{type(self).__name__} wants {wanted}, got {tuple(x.shape)}")

    def forward(self, x: Tensor, residual: Tensor | None = None, relu: bool = False) -> Tensor:
        """Normalise a map; with `relu`, return relu(y + residual), which costs no further pass.

        Args:
            x: (N, C, H, W) float.
            residual: as x, or None; only with `relu`.
            relu: whether a ReLU follows.

        Returns:
            The same shape, data type and memory layout as x.

        Raises:
            ValueError: for another rank or channel count, too few values to average, or a residual
                of another shape or without `relu`.
        """
        self.check(x)
        return normalize(x, self.spec(), residual, relu)[0]


class BatchNorm(Norm):
    """y = weight * (x - mean[c]) / sqrt(var[c] + eps) + bias, over all photos and positions.

    In eval mode mean and variance are the running ones of training. A state_dict of
    `nn.BatchNorm2d` fits. (Ioffe and Szegedy 2015, arXiv:1502.03167)

    Args:
        channels: of the maps to be normalised.
        momentum: the weight of each new batch in the running statistics.

    Attributes:
        running_mean, running_var: (C,) float; the variance is the unbiased one.
        num_batches_tracked: () int64.
    """

    average = PoolAxes(all_photos=True)
    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int, momentum: float = 0.1) -> None:
        super().__init__(channels)
        self.momentum = momentum
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    def spec(self) -> NormSpec:
        """The layer's spec; in eval mode nothing is read off the map."""
        return self.batch_spec(self.weight)

    def batch_spec(self, weight: Tensor) -> NormSpec:
        """Batch norm with this weight."""
        if self.training:
            return NormSpec(None, self.bias, (self.average,), (weight,))
        scale = weight * torch.rsqrt(self.running_var + EPS)
        return NormSpec(scale, self.bias - self.running_mean * scale)

    def check(self, x: Tensor) -> None:
        """Refuse a map that cannot be normalised."""
        super().check(x)
        if self.training and x.numel() == self.channels:
            name = type(self).__name__
            raise ValueError(f"{name} wants more than one value a channel in training, got one")

    def forward(self, x: Tensor, residual: Tensor | None = None, relu: bool = False) -> Tensor:
        """As in `Norm`; in training the running statistics follow the batch's."""
        self.check(x)
        y, moments, photos = normalize(x, self.spec(), residual, relu)
        if self.training:
            self.follow(moments[0], photos * x.shape[2] * x.shape[3])
        return y

    @torch.no_grad()
    def follow(self, moments: Tensor, count: int | Tensor) -> None:
        """Move the running statistics towards a batch's (2, 1, C), of `count` values a channel."""
        mean, var = moments[:, 0].to(self.running_mean.dtype)
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(var * (count / (count - 1)), self.momentum)
        self.num_batches_tracked.add_(1)


class InstanceNorm(Norm):
    """y = weight * (x - mean[n,c]) / sqrt(var[n,c] + eps) + bias, over each photo's each channel.

    The same in training and eval mode. (Ulyanov et al. 2016, arXiv:1607.08022)
    """

    average = PoolAxes()

    def check(self, x: Tensor) -> None:
        """Refuse a map that cannot be normalised."""
        super().check(x)
        if x.shape[2] * x.shape[3] == 1:
            raise ValueError("InstanceNorm wants more than one position to average, got a 1x1 map")


class BatchInstanceNorm(BatchNorm):
    """y = weight * (gate * batch norm of x + (1 - gate) * instance norm of x) + bias.

    The gate, one number in [0, 1] a channel, is learned: 1 keeps the photo's own contrast and
    brightness, 0 removes them. (Nam and Kim 2018, arXiv:1805.07925)

    Attributes:
        gate: (C,) parameter; an optimizer has to call `clip_gate_` after each step
            (`trainer.state.make_optimizer`).
    """

    def __init__(self, channels: int, momentum: float = 0.1) -> None:
        super().__init__(channels, momentum)
        self.gate = nn.Parameter(torch.ones(channels))

    @torch.no_grad()
    def clip_gate_(self) -> None:
        """Bring the gate back into [0, 1] in place."""
        self.gate.clamp_(0, 1)

    def spec(self) -> NormSpec:
        """The weight is shared out by the gate."""
        gated = self.weight * self.gate
        scale, shift, averages, weights = self.batch_spec(gated)
        return NormSpec(scale, shift, (*averages, PoolAxes()), (*weights, self.weight - gated))


class GroupNorm(Norm):
    """y = weight * (x - mean[n,g]) / sqrt(var[n,g] + eps) + bias, over each photo's group g of C/G.

    The same in training and eval mode. (Wu and He 2018, arXiv:1803.08494)

    Args:
        channels: of the maps to be normalised.
        groups: G, which must divide the channel count.
    """

    def __init__(self, channels: int, groups: int = 4) -> None:
        super().__init__(channels)
        if groups < 1 or channels % groups:
            raise ValueError(
                f"GroupNorm wants groups that divide {channels} channels, got {groups}"
            )
        self.average = PoolAxes(channels=channels // groups)


class LayerNorm(Norm):
    """y = weight * (x - mean[n]) / sqrt(var[n] + eps) + bias, over all channels of each photo.

    The same in training and eval mode; weight and bias are per channel, as in a group norm of one
    group. (Ba et al. 2016, arXiv:1607.06450)
    """

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.average = PoolAxes(channels=channels)


class NoNorm(Norm):
    """y = weight * x + bias: what is left of the other layers once the normalising is gone.

    Weight and bias stay, so that the network loses the normalising and nothing else: its
    convolutions have no bias of their own, and a learned scale lets each residual branch find its
    size (as in Fixup, Zhang et al. 2019, arXiv:1901.09321). Nothing is read off the input.
    """

    def spec(self) -> NormSpec:
        """The layer's spec."""
        return NormSpec(self.weight, self.bias)


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "bn": BatchNorm,
    "in": InstanceNorm,
    "bin": BatchInstanceNorm,
    "ln": LayerNorm,
    "gn": GroupNorm,
    "nn": NoNorm,
    "torch-bn": nn.BatchNorm2d,
}
