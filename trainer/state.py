"""A run: its weights and optimizer, kept on disk so that it can be stopped at any moment."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor, nn

from plumage.contract import HISTORY
from trainer.model.norms import NORMS, BatchInstanceNorm
from trainer.model.resnet import ResNet
from trainer.recipe import Recipe
from trainer.run_folder import EARLIER_STATE, STATE, TrainingError, check_same
from trainer.utils.files import replacing

GATE_LR_SCALE = 10  # Nam and Kim 2018 train the gates with ten times the learning rate


@dataclass
class TrainState:
    """A run after some epochs: all that resuming needs, and the best so far.

    Attributes:
        network: the weights being trained.
        optimizer: its momenta.
        epoch: finished epochs.
        history: one row an epoch and split, as in history.csv.
        best: weights with the highest accuracy on val.
        best_epoch: the epoch they are from, counted from 1.
        trained: recipe and precision of the last epoch and the machines of all, as in report.json;
            what resumes a run may be another machine, and need not train any more.
    """

    network: ResNet
    optimizer: torch.optim.Optimizer
    epoch: int = 0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    trained: dict[str, Any] = field(default_factory=dict)

    def save(self, folder: Path) -> None:
        """Write the state and history.csv, each whole or not at all; keep the state before it.

        No pickle: tensors are named network/…, best/… and optimizer/PARAMETER/…, and all else is
        JSON, which keeps every bit of a float, in the file's metadata.

        Raises:
            TrainingError: they cannot be written, as on a full disk; the last state stays.
        """
        optimizer = self.optimizer.state_dict()
        kept = {"network": self.network.state_dict(), "best": self.best}
        kept |= {f"optimizer/{number}": momenta for number, momenta in optimizer["state"].items()}
        tensors = {
            f"{kind}/{name}": value.contiguous()
            for kind, values in kept.items()
            for name, value in values.items()
        }
        words = {
            "groups": optimizer["param_groups"],
            "epoch": self.epoch,
            "history": self.history,
            "best_epoch": self.best_epoch,
            "trained": self.trained,
        }
        file, whole = folder / STATE, save(tensors, {"state": json.dumps(words)})
        with _room_in(folder):
            if file.exists():  # it stays where it is until the new one takes its place
                with replacing(folder / EARLIER_STATE) as temporary:
                    shutil.copyfile(file, temporary)
            with replacing(file) as temporary:
                temporary.write_bytes(whole)
        self.save_history(folder)

    def save_history(self, folder: Path) -> None:
        """Write history.csv, whole or not at all; raises TrainingError where there is no room."""
        with _room_in(folder), replacing(folder / HISTORY) as temporary:
            pd.DataFrame(self.history).to_csv(temporary, index=False, float_format="%.6g")

    def restore(self, folder: Path, recipe: Recipe) -> None:
        """Continue from the last finished epoch of the run in `folder`, or from the one before it.

        Raises:
            TrainingError: the run was started with other hyperparameters or by an earlier version,
                or no state can be read.
        """
        state = read_state(folder, recipe.device)
        if "trained" not in state:
            raise TrainingError(
                f"The run in {folder} was started by an earlier version, which did not note what "
                "it was trained on: delete it and start over, or name another --output."
            )
        check_same(recipe, state["trained"]["recipe"], folder)
        self.network.load_state_dict(state["network"])
        for group in state["groups"]:
            if "speed" in group:  # as earlier versions wrote it
                group["lr_scale"] = group.pop("speed")
        self.optimizer.load_state_dict(
            {"state": state["optimizer"], "param_groups": state["groups"]}
        )
        self.epoch, self.history = state["epoch"], state["history"]
        self.best, self.best_epoch = state["best"], state["best_epoch"]
        self.trained = state["trained"]


@contextmanager
def _room_in(folder: Path) -> Iterator[None]:
    """Raise TrainingError with advice where what is written there fails, as on a full disk."""
    try:
        yield
    except OSError as error:
        raise TrainingError(
            f"The run could not be saved in {folder} ({error.strerror}): make room there, then "
            "--resume continues from the last saved state."
        ) from error


def read_state(folder: Path, device: str) -> dict[str, Any]:
    """The newest state in a run's folder that can be read.

    Returns:
        What `TrainState.save` put into words, and `network`, `best` and `optimizer`, the tensors.

    Raises:
        TrainingError: none can.
    """
    for name in (STATE, EARLIER_STATE):
        # Whatever is wrong with a file that was cut short or garbled, the other may be whole.
        with suppress(Exception), safe_open(folder / name, "pt", device) as file:
            state = json.loads(file.metadata()["state"])
            state |= {"network": {}, "best": {}, "optimizer": {}}
            for key in file.offset_keys():
                kind, *number, tensor = key.split("/")
                values = state[kind]
                if number:
                    values = values.setdefault(int(number[0]), {})
                values[tensor] = _laid_out(file.get_tensor(key))
            return state
    raise TrainingError(
        f"{folder / STATE} is damaged, and there is no earlier state to resume from: delete "
        f"{folder} and start over."
    )


def _laid_out(tensor: Tensor) -> Tensor:
    """A copy with the layout of `new_run`: in another one sums may round otherwise."""
    layout = torch.channels_last if tensor.ndim == 4 else torch.contiguous_format
    return tensor.clone(memory_format=layout)


def new_run(recipe: Recipe, species: int) -> TrainState:
    """A run before its first epoch, its weights drawn from the recipe's seed."""
    torch.manual_seed(recipe.seed)
    network = ResNet(NORMS[recipe.norm], n=recipe.n, outputs=species)
    network = network.to(recipe.device).to(memory_format=torch.channels_last)
    return TrainState(network, make_optimizer(network, recipe))


def open_run(recipe: Recipe, species: int, folder: Path) -> TrainState:
    """The run that a folder holds, as it was last saved; where it holds none, a new one.

    Raises:
        TrainingError: the run was started with other hyperparameters, or no state can be read.
    """
    run = new_run(recipe, species)
    if (folder / STATE).exists():
        run.restore(folder, recipe)
    return run


def make_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer: weight decay on weights of convolutions and linear layers only.

    Each of its steps ends with the gates of batch-instance norms inside [0, 1].
    """
    optimizer = _bare_optimizer(network, recipe)
    gated = [module for module in network.modules() if isinstance(module, BatchInstanceNorm)]

    def clip_gates(*_: Any) -> None:
        for norm in gated:
            norm.clip_gate_()

    optimizer.register_step_post_hook(clip_gates)
    return optimizer


def _bare_optimizer(network: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimizer and its parameter groups."""
    decayed: dict[str, Any] = {"params": [], "weight_decay": recipe.weight_decay, "lr_scale": 1}
    plain: dict[str, Any] = {"params": [], "weight_decay": 0.0, "lr_scale": 1}
    gates: dict[str, Any] = {"params": [], "weight_decay": 0.0, "lr_scale": GATE_LR_SCALE}
    for name, parameter in network.named_parameters():
        group = gates if name.endswith(".gate") else decayed if parameter.ndim > 1 else plain
        group["params"].append(parameter)
    groups = [group for group in (decayed, plain, gates) if group["params"]]
    if recipe.optimizer == "sgd":
        nesterov = recipe.nesterov and recipe.momentum > 0
        return torch.optim.SGD(
            groups,
            recipe.learning_rate,
            momentum=recipe.momentum,
            nesterov=nesterov,
            fused=True,
        )
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(groups, recipe.learning_rate)
    adam = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer]
    return adam(groups, recipe.learning_rate, betas=(recipe.momentum, 0.999))
