"""The processes that train one network together, as torchrun starts them.

    torchrun --nproc-per-node=4 -m trainer --norm bn --data PHOTOS

Each takes its share of every batch, so --batch-size counts the photos of all of them. What depends
on all photos is exchanged: the mean and variance of batch norms and what their gradients average
(`pooled`, `averaged`), the logits (`gathered`), and the gradients of the weights
(`add_up_gradients`). Up to rounding K processes then compute what one does. Started without
torchrun a process is alone, and nothing is exchanged.
"""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import NamedTuple

import torch
from torch import Tensor, distributed, nn

from trainer.utils.cli import UserError

ENGINES = {"cpu": "gloo", "cuda": "nccl"}
# A process whose machine is gone is given up after so long; one that was killed, at once. Nobody
# is kept waiting longer by kernels that are compiled or a state that is written.
PATIENCE = timedelta(minutes=5)


class ProcessError(UserError):
    """Processes that cannot train together; the message says what to do about it."""


class Place(NamedTuple):
    """Which process this is, from 0, and of how many."""

    rank: int = 0
    size: int = 1

    def share(self, total: int) -> slice:
        """The photos of this process among `count`; may be none."""
        return slice(total * self.rank // self.size, total * (self.rank + 1) // self.size)


def place() -> Place:
    """This process's place among those that have joined."""
    if distributed.is_available() and distributed.is_initialized():
        return Place(distributed.get_rank(), distributed.get_world_size())
    return Place()


def join(device: str) -> None:
    """Join the other processes, if torchrun started this one; being ended is then as Ctrl-C.

    Raises:
        ProcessError: they cannot train on this device, or do not come.
    """
    if not (distributed.is_available() and distributed.is_torchelastic_launched()):
        return
    if device not in ENGINES:
        raise ProcessError(
            f"torchrun trains on --device cpu or cuda, not {device}: with cuda, each process takes "
            "the GPU of its number."
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
        distributed.init_process_group(ENGINES[device], timeout=PATIENCE)


def leave() -> None:
    """Part from the other processes; from now on this one is alone."""
    if place().size > 1:
        distributed.destroy_process_group()


@contextmanager
def _others() -> Iterator[None]:
    """Say what it means that an exchange inside the block fails."""
    try:
        yield
    except RuntimeError as error:
        raise ProcessError(
            "Another process of this run has ended or cannot be reached. Start all of them again: "
            f"--resume continues from the last finished epoch. ({str(error).splitlines()[0]})"
        ) from error


def gathered(rows: Tensor, total: int) -> Tensor:
    """The rows of all processes in their order, differentiable as to this process's own.

    Args:
        rows: (`place().share(total)`, ...), those of this process.
        total: how many there are in all processes.

    Raises:
        ProcessError: another process has ended.
    """
    if place().size == 1:
        return rows
    own = place().share(total)
    whole = rows.new_zeros(total, *rows.shape[1:])
    whole[own] = rows.detach()
    with _others():
        distributed.all_reduce(whole)
    return torch.cat([whole[: own.start], rows, whole[own.stop :]])


def agree(*values: int, device: str) -> bool:
    """Whether each of these values is the same in all processes."""
    rows = gathered(torch.tensor([values], device=device), place().size)
    return bool((rows == rows[0]).all())


def add_up_gradients(network: nn.Module) -> None:
    """Give each parameter the sum of its gradients in all processes."""
    if place().size == 1:
        return
    gradients = [p.grad for p in network.parameters() if p.grad is not None]
    whole = torch.cat([gradient.flatten() for gradient in gradients])
    with _others():
        distributed.all_reduce(whole)
    parts = whole.split([gradient.numel() for gradient in gradients])
    for gradient, part in zip(gradients, parts, strict=True):
        gradient.copy_(part.view_as(gradient))


def pooled(moments: Tensor, photos: int) -> tuple[Tensor, Tensor]:
    """Mean and variance over the photos of all processes, by the law of total variance.

    Args:
        moments: (2, ...), mean and biased variance over the photos of this process.
        photos: how many those are; may be none.

    Returns:
        moments: those over all photos.
        photos: (), how many photos all processes have.
    """
    tables, photos_of_each = _of_each(moments, photos)
    means, variances = tables.unbind(1)
    mean = _average(means, photos_of_each)
    variance = _average(variances + (means - mean).square(), photos_of_each)
    return torch.stack((mean, variance)), photos_of_each.sum()


def averaged(table: Tensor, photos: int) -> Tensor:
    """The average over all photos of a table that each process has averaged over its own."""
    return _average(*_of_each(table, photos))


def _of_each(table: Tensor, photos: int) -> tuple[Tensor, Tensor]:
    """The tables of all K processes, (K, ...), zero where there are no photos, and K counts."""
    own = torch.cat([table.new_tensor([photos]), table.flatten()])
    if not photos:
        own.zero_()  # an average over none is not a number
    rows = own.new_empty(place().size, len(own))
    with _others():
        distributed.all_gather(list(rows), own)
    return rows[:, 1:].unflatten(1, table.shape), rows[:, 0]


def _average(tables: Tensor, photos_of_each: Tensor) -> Tensor:
    """The average of tables (K, ...), each counting as often as it has photos."""
    shares = (photos_of_each / photos_of_each.sum()).view(-1, *[1] * (tables.dim() - 1))
    return (shares * tables).sum(0)
