"""Seven ways to normalise a feature map, six of them from scratch.

All six start from the mean and variance of each channel of each photo, a small (N, C) table, and
differ in how they pool that table. What comes out is always one scale and one shift for each
channel of each photo, y[n,c] = scale[n,c] * x[n,c] + shift[n,c], so the large map is read once for
the table and once for the result, whatever the scheme.

`NORMS` names them: each key maps to a constructor that takes the channel count.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from trainer import kernels


class Norm(nn.Module):
    """What the six layers share: the check of the input, the two passes, weight and bias.

    A subclass says in `scheme` how the table of moments becomes a scale and a shift.

    Args:
        channels: of the maps to be normalised.

    Attributes:
        weight, bias: (C,) learned scale and shift of the result.
    """

    eps = 1e-5

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def extra_repr(self) -> str:
        """The channel count, for printing."""
        return f"{self.channels}"

    @property
    def reads_input(self) -> bool:
        """Whether the scheme reads the input's moments at all."""
        return True

    def scheme(self, mean: Tensor, var: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
        """Turn the table of moments into scale and shift.

        Args:
            mean, var: (N, C) mean and biased variance of each photo's each channel; empty where
                `reads_input` is false.
            pixels: height times width, how many numbers each of them is taken from.

        Returns:
            scale, shift: (N, C), or (1, C) or (C,) where they are the same for all photos.
        """
        raise NotImplementedError

    def affine(self, mean: Tensor, var: Tensor) -> tuple[Tensor, Tensor]:
        """Scale and shift of weight * (x - mean) / sqrt(var + eps) + bias."""
        scale = self.weight * torch.rsqrt(var + self.eps)
        return scale, self.bias - mean * scale

    def forward(self, x: Tensor) -> Tensor:
        """x: (N, C, H, W) float -> the same shape, data type and memory layout.

        Raises:
            ValueError: for another rank or channel count.
        """
        if x.dim() != 4 or x.shape[1] != self.channels:
            wanted = f"(N, {self.channels}, H, W)"
            raise ValueError(f"{type(self).__name__} wants {wanted}, got {tuple(x.shape)}")
        if traced():
            return self.plain(x)
        return kernels.Normalize.apply(x, self.scheme, self.reads_input, *self.parameters())

    def plain(self, x: Tensor) -> Tensor:
        """The same layer in ordinary operations, for exporters and tracers to read."""
        mean = var = x.new_empty(0)
        pixels = x.shape[2] * x.shape[3]
        if self.reads_input:
            mean = x.mean((2, 3), dtype=kernels.table_dtype(x), keepdim=True)
            centred = x - mean
            var = (centred * centred).mean((2, 3))  # onnxruntime is slow at squares and powers
            mean = mean[:, :, 0, 0]
        scale, shift = self.scheme(mean, var, pixels)
        return (x * scale[..., None, None] + shift[..., None, None]).to(x.dtype)


def traced() -> bool:
    """Whether operations are being recorded (export, compile, make_fx, torch.func)."""
    return (
        torch.compiler.is_compiling()
        or torch.jit.is_tracing()
        or torch._C._len_torch_dispatch_stack() > 0
        or torch._C._functorch.peek_interpreter_stack() is not None
    )


def pool(mean: Tensor, var: Tensor, dims: int | tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """Mean and variance over whole dimensions of a table, by the law of total variance.

    The variance of the union is the mean of the variances plus the variance of the means.
    """
    pooled = mean.mean(dims, keepdim=True)
    return pooled, (var + (mean - pooled).square()).mean(dims, keepdim=True)


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

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor

    def __init__(self, channels: int, momentum: float = 0.1) -> None:
        super().__init__(channels)
        self.momentum = momentum
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))
        self.register_buffer("num_batches_tracked", torch.tensor(0))

    @property
    def reads_input(self) -> bool:
        """Batch norm reads its input in training only."""
        return self.training

    def batch_moments(self, mean: Tensor, var: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
        """Mean and variance of the batch in training, which the running ones follow."""
        if not self.training:
            return self.running_mean, self.running_var
        count = mean.shape[0] * pixels
        if count == 1:
            raise ValueError(
                f"{type(self).__name__} wants more than one value a channel in training, got one"
            )
        mean, var = pool(mean, var, 0)
        with torch.no_grad():
            unbiased = var * (count / (count - 1))
            for running, batch in ((self.running_mean, mean), (self.running_var, unbiased)):
                running.lerp_(batch[0].to(running.dtype), self.momentum)
            self.num_batches_tracked += 1
        return mean, var

    def scheme(self, mean: Tensor, var: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
        """Pool over N."""
        return self.affine(*self.batch_moments(mean, var, pixels))


class InstanceNorm(Norm):
    """y = weight * (x - mean[n,c]) / sqrt(var[n,c] + eps) + bias, over each photo's each channel.

    The same in training and eval mode. (Ulyanov et al. 2016, arXiv:1607.08022)
    """

    def scheme(self, mean: Tensor, var: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
        """Pool nothing."""
        if pixels == 1:
            raise ValueError("InstanceNorm wants more than one position to average, got a 1x1 map")
        return self.affine(mean, var)


class BatchInstanceNorm(BatchNorm):
    """y = weight * (gate * batch norm of x + (1 - gate) * instance norm of x) + bias.

    The gate, one number in [0, 1] a channel, is learned: 1 keeps the photo's own contrast and
    brightness, 0 removes them. (Nam and Kim 2018, arXiv:1805.07925)

    Attributes:
        gate: (C,) parameter; call `clip_gate_` after each optimizer step.
    """

    def __init__(self, channels: int, momentum: float = 0.1) -> None:
        super().__init__(channels, momentum)
        self.gate = nn.Parameter(torch.ones(channels))

    @property
    def reads_input(self) -> bool:
        """The instance half reads its input always."""
        return True

    @torch.no_grad()
    def clip_gate_(self) -> None:
        """Bring the gate back into [0, 1] in place."""
        self.gate.clamp_(0, 1)

    def scheme(self, mean: Tensor, var: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
        """Pool over N, pool nothing, and mix the two."""
        batch_mean, batch_var = self.batch_moments(mean, var, pixels)
        batch_rstd = self.gate * torch.rsqrt(batch_var + self.eps)
        rstd = (1 - self.gate) * torch.rsqrt(var + self.eps)
        scale = self.weight * (batch_rstd + rstd)
        return scale, self.bias - self.weight * (batch_mean * batch_rstd + mean * rstd)


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
                f"{type(self).__name__} wants groups that divide {channels} channels, got {groups}"
            )
        self.groups = groups

    def scheme(self, mean: Tensor, var: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
        """Pool over each group of C."""
        groups = (self.groups, self.channels // self.groups)
        mean, var = pool(mean.unflatten(1, groups), var.unflatten(1, groups), 2)
        return self.affine(mean.expand(-1, *groups).flatten(1), var.expand(-1, *groups).flatten(1))


class LayerNorm(Norm):
    """y = weight * (x - mean[n]) / sqrt(var[n] + eps) + bias, over all channels of each photo.

    The same in training and eval mode; weight and bias are per channel, as in a group norm of one
    group. (Ba et al. 2016, arXiv:1607.06450)
    """

    def scheme(self, mean: Tensor, var: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
        """Pool over C."""
        return self.affine(*pool(mean, var, 1))


class NoNorm(Norm):
    """y = weight * x + bias: what is left of the other layers once the normalising is gone.

    Weight and bias stay, so that the network loses the normalising and nothing else: its
    convolutions have no bias of their own, and a learned scale lets each residual branch find its
    size (as in Fixup, Zhang et al. 2019, arXiv:1901.09321). Nothing is read off the input.
    """

    @property
    def reads_input(self) -> bool:
        """Nothing is normalised."""
        return False

    def scheme(self, mean: Tensor, var: Tensor, pixels: int) -> tuple[Tensor, Tensor]:
        """Pool nothing, normalise nothing."""
        return self.weight, self.bias


NORMS: dict[str, Callable[[int], nn.Module]] = {
    "bn": BatchNorm,
    "in": InstanceNorm,
    "bin": BatchInstanceNorm,
    "ln": LayerNorm,
    "gn": GroupNorm,
    "nn": NoNorm,
    "torch-bn": nn.BatchNorm2d,
}
