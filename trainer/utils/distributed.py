"""Data-parallel training by processes that torchrun starts.

    torchrun --nproc-per-node=4 -m trainer --norm bn --data PHOTOS

Each rank takes its shard of every batch, so --batch-size counts the photos of all ranks. Four
things are exchanged, since they depend on all photos: the moments of batch norms (`sync_moments`),
the means in their gradients (`sync_mean`), the logits (`all_gather_rows`) and the gradients of the
weights (`all_reduce_gradients`). K processes compute what one does, up to rounding. Without
torchrun there is one rank, and nothing is exchanged.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

from trainer.utils.cli import UserError

BACKENDS = {"cpu": "gloo", "cuda": "nccl"}
# Detects a rank whose machine is lost; a killed process is detected at once. Compiling kernels and
# writing a state take less.
TIMEOUT = timedelta(minutes=5)


class ProcessError(UserError):
    """Processes that cannot train together; the message says what to do about it."""


@dataclass(frozen=True)
class Rank:
    """The number of this process, from 0, and of all processes."""

    index: int = 0
    world_size: int = 1

    def shard(self, total: int) -> slice:
        """This rank's part of `total` rows; may be empty."""
        start, stop = (total * index // self.world_size for index in (self.index, self.index + 1))
        return slice(start, stop)


def rank() -> Rank:
    """This process's rank in the process group; 0 of 1 without one."""
    if dist.is_available() and dist.is_initialized():
        return Rank(dist.get_rank(), dist.get_world_size())
    return Rank()


def init(device: str) -> None:
    """Join the process group, if torchrun started this process; SIGTERM then acts as Ctrl-C.

    Raises:
        ProcessError: the ranks cannot train on this device, or one is missing.
    """
    if not (dist.is_available() and dist.is_torchelastic_launched()):
        return
    if device not in BACKENDS:
        raise ProcessError(
            f"torchrun trains on --device cpu or cuda, not {device}: with cuda, each process takes "
            "the GPU of its local rank."
        )
    if device == "cuda":
        number, found = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
        if number >= found:
            raise ProcessError(
                f"Process {number} of this machine finds {found} GPUs: --nproc-per-node takes as "
                "many processes as there are GPUs."
            )
        torch.cuda.set_device(number)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with _others():
        dist.init_process_group(BACKENDS[device], timeout=TIMEOUT)


def destroy() -> None:
    """Leave the process group; afterwards this process is rank 0 of 1."""
    if rank().world_size > 1:
        dist.destroy_process_group()


@contextmanager
def _others() -> Iterator[None]:
    """Raise ProcessError with advice where an exchange inside the block fails."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessError(
            "Another process of this run has ended or cannot be reached. Start all of them again: "
            f"--resume continues from the last finished epoch. ({str(error).splitlines()[0]})"
        ) from error


def all_gather_rows(rows: Tensor, total: int) -> Tensor:
    """The rows of all ranks in order, (total, ...), differentiable with respect to `rows`.

    Args:
        rows: (`rank().shard(total)`, ...), this rank's shard.
        total: number of rows in all ranks.

    Raises:
        ProcessError: another process has ended.
    """
    if rank().world_size == 1:
        return rows
    own = rank().shard(total)
    whole = rows.new_zeros(total, *rows.shape[1:])
    whole[own] = rows.detach()
    with _others():
        dist.all_reduce(whole)
    return torch.cat([whole[: own.start], rows, whole[own.stop :]])


def all_equal(*values: int, device: str) -> bool:
    """Whether each of these values is the same in all ranks."""
    rows = all_gather_rows(torch.tensor([values], device=device), rank().world_size)
    return bool((rows == rows[0]).all())


def all_reduce_gradients(network: nn.Module) -> None:
    """Give each parameter the sum of its gradients over all ranks."""
    if rank().world_size == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    whole = torch.cat([gradient.flatten() for gradient in gradients])
    with _others():
        dist.all_reduce(whole)
    parts = whole.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def sync_moments(moments: Tensor, photos: int) -> tuple[Tensor, Tensor]:
    """Mean and variance over the photos of all ranks, by the law of total variance.

    Args:
        moments: (2, ...), mean and biased variance over this rank's photos.
        photos: number of this rank's photos; may be 0.

    Returns:
        moments: (2, ...) over all photos.
        photos: (), number of photos in all ranks.
    """
    tables, photos_of_each = _all_gather(moments, photos)
    means, variances = tables.unbind(1)
    mean = _average(means, photos_of_each)
    variance = _average(variances + (means - mean).square(), photos_of_each)
    return torch.stack((mean, variance)), photos_of_each.sum()


def sync_mean(table: Tensor, photos: int) -> Tensor:
    """The mean over all photos of a table that each rank has averaged over its own."""
    return _average(*_all_gather(table, photos))


def _all_gather(table: Tensor, photos: int) -> tuple[Tensor, Tensor]:
    """The tables of all K ranks, (K, ...), zero where a rank has no photos, and K counts."""
    own = torch.cat([table.new_tensor([photos]), table.flatten()])
    if not photos:
        own.zero_()  # an average over none is not a number
    rows = own.new_empty(rank().world_size, len(own))
    with _others():
        dist.all_gather(list(rows), own)
    return rows[:, 1:].unflatten(1, table.shape), rows[:, 0]


def _average(tables: Tensor, photos_of_each: Tensor) -> Tensor:
    """The mean of tables (K, ...), weighted by their photos."""
    shares = (photos_of_each / photos_of_each.sum()).view(-1, *[1] * (tables.dim() - 1))
    return (shares * tables).sum(0)
