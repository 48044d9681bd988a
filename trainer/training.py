"""The training loop: epochs of steps and a validation after each."""

import math
import operator
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F
from tqdm import tqdm

from trainer.data.augment import squeezed
from trainer.data.batches import OUTLIER, Batches, photos_of_epoch
from trainer.data.outliers import OUTLIERS
from trainer.data.photo_set import PhotoSet
from trainer.metrics import scores
from trainer.model.resnet import ResNet, to_input
from trainer.opening import is_uneven
from trainer.recipe import Recipe
from trainer.run_folder import DivergedError
from trainer.schedule import has_outliers, learning_rate, training_size
from trainer.state import TrainState
from trainer.utils import distributed
from trainer.utils.system import machine

Result = TypeVar("Result")

MAX_RETAKEN, RETAKEN = 1024, 128  # training photos for batch statistics, and how many at a time
MAX_LINES = 40  # of epochs that are printed


def precision(recipe: Recipe) -> torch.dtype:
    """The data type of activations: bfloat16 only where the device computes in it natively."""
    if recipe.precision != "auto":
        return getattr(torch, recipe.precision)
    if recipe.device.startswith("cuda"):
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        native = recipe.device == "cpu" and torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32


def autocast(recipe: Recipe) -> torch.autocast:
    """A context in which a network computes in the recipe's `precision`."""
    dtype = precision(recipe)
    return torch.autocast(recipe.device.split(":")[0], dtype, enabled=dtype != torch.float32)


def train_step(
    run: TrainState, recipe: Recipe, photos: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """One step of the optimizer.

    Args:
        run: changed in place.
        recipe: its device, precision and label smoothing count.
        photos: (N, S, S, 3) uint8; where several processes train, this rank's shard of them.
        labels: (N,) int64, always of all; OUTLIER for photos of none of the species.

    Returns:
        Loss () and logits (N, species), both detached. The loss is the mean over photos of the
        species, and beside it that over outliers, weighted: their cross-entropy to the uniform
        distribution.
    """
    with autocast(recipe):
        logits = run.network(to_input(photos))
    # A loss in bfloat16 would round; one in float64, with which networks are compared, would not.
    logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
    logits = distributed.all_gather_rows(logits, len(labels))
    loss = F.cross_entropy(
        logits, labels, ignore_index=OUTLIER, label_smoothing=recipe.label_smoothing
    )
    if recipe.outliers:
        strange = (labels == OUTLIER).to(logits.dtype)
        unsure = -logits.log_softmax(1).mean(1)
        count = strange.sum().clamp(min=1)  # not every epoch has them
        loss = loss + recipe.outlier_weight * (unsure @ strange) / count
    run.optimizer.zero_grad()
    loss.backward()
    distributed.all_reduce_gradients(run.network)
    run.optimizer.step()
    return loss.detach(), logits.detach()


def predict(network: ResNet, photos: NDArray[np.uint8], recipe: Recipe) -> Tensor:
    """Logits (N, species) float32 of photos (N, S, S, 3) uint8, in eval mode.

    Where several processes train, each rank predicts its shard of the photos and gets all logits.
    """
    own = photos[distributed.rank().shard(len(photos))]
    network.eval()
    batches = []
    with torch.inference_mode(), autocast(recipe):
        for start in range(0, len(own) or 1, 64):  # a shard may be empty
            batch = torch.from_numpy(own[start : start + 64].copy()).to(recipe.device)
            batches.append(network(to_input(batch)).float())
    network.train()
    return distributed.all_gather_rows(torch.cat(batches), len(photos)).cpu()


def retake_statistics(
    network: ResNet, photos: PhotoSet, recipe: Recipe, outliers: PhotoSet | None = None
) -> None:
    """Give batch norms the mean and variance of training photos as the network answers them.

    The running ones lag behind the weights and know crops alone; in a run of few steps an epoch
    they are far off ("precise" batch norm: Wu and Johnson 2021, arXiv:2105.07576). Where several
    processes train, each takes a share of every batch. The network is left in train mode.

    Args:
        network: changed in place; one without running statistics is left as it is.
        photos: of train; at most MAX_RETAKEN of them, spread evenly, are looked at.
        recipe: its image_size, photos_per_species, precision and device count.
        outliers: as many of them are in a batch as in training.
    """
    layers: list[Any] = [one for one in network.modules() if hasattr(one, "running_mean")]
    if not layers:
        return
    kept = [layer.momentum for layer in layers]
    chosen = photos_of_epoch(photos.labels, recipe)
    if len(chosen) > MAX_RETAKEN:
        chosen = chosen[np.linspace(0, len(chosen) - 1, MAX_RETAKEN).astype(int)]
    order = np.random.default_rng(0).permutation(chosen)  # each batch is of all classes
    network.train()
    with torch.no_grad(), autocast(recipe):
        for number, batch in enumerate(np.array_split(order, math.ceil(len(order) / RETAKEN)), 1):
            for layer in layers:
                layer.momentum = 1 / number  # the average of all batches so far
            pixels = photos.pixels[np.sort(batch)]
            if outliers:
                count = round(len(batch) * recipe.outliers_per_batch / recipe.batch_size)
                strange = np.arange(number * count, (number + 1) * count) % len(outliers.labels)
                pixels = np.concatenate([pixels, outliers.pixels[strange]])
            own = torch.from_numpy(pixels[distributed.rank().shard(len(pixels))])
            network(to_input(squeezed(own.to(recipe.device), recipe.image_size)))
    for layer, momentum in zip(layers, kept, strict=True):
        layer.momentum = momentum


def best_by(labels: NDArray[np.int64]) -> str:
    """The val score that chooses the best epoch: accuracy, or macro F1 for uneven classes."""
    return "macro_f1" if is_uneven(np.bincount(labels)) else "accuracy"


def epoch_photos(photos: PhotoSet, recipe: Recipe) -> int:
    """The number of photos in an epoch."""
    return len(photos_of_epoch(photos.labels, recipe))


def one_behind(results: Iterable[Result]) -> Iterator[Result]:
    """Give each result once the next is under way: a GPU that is read at once runs dry."""
    before: list[Result] = []
    for result in results:
        yield from before
        before = [result]
    yield from before


def check_finite(loss: float, epoch: int, recipe: Recipe) -> None:
    """Raise DivergedError if a loss is not a number."""
    if not math.isfinite(loss):
        raise DivergedError(
            f"The loss is not a number in epoch {epoch}: try a third of the learning rate "
            f"(--learning-rate {recipe.learning_rate / 3:.2g}) or --precision float32."
        )


def train_epoch(
    run: TrainState,
    recipe: Recipe,
    photos: PhotoSet,
    bar: "tqdm[Any]",
    outliers: PhotoSet | None = None,
) -> tuple[list[int], list[int], list[float]]:
    """Train one epoch; returns labels, answers and losses of its photos, as seen in training.

    Outliers are trained on, and are in none of the three.

    Raises:
        DivergedError: the loss is not a number any more.
    """
    batches = Batches(photos, recipe, training_size(recipe, run.epoch), run.epoch, outliers)

    def steps() -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        for step, (batch, target) in enumerate(batches):
            rate = learning_rate(recipe, run.epoch + step / len(batches))
            for group in run.optimizer.param_groups:
                group["lr"] = rate * group["lr_scale"]
            loss, logits = train_step(run, recipe, batch, target)
            count = len(batches.indices[step])  # outliers follow
            yield target[:count], logits[:count].argmax(1), loss

    labels, answers, losses = [], [], []
    loss_sum = right = 0.0  # running sums: means of growing lists would cost more at each step
    for target, answered, loss in one_behind(steps()):
        labels += (truth := target.tolist())
        answers += (answer := answered.tolist())
        losses += [loss.item()] * len(target)
        check_finite(losses[-1], run.epoch + 1, recipe)
        loss_sum += losses[-1] * len(target)
        right += sum(map(operator.eq, truth, answer))
        if bar.update(len(target)):  # the bar shows what was drawn just now at its next update
            told = {"loss": loss_sum / len(losses), "accuracy": right / len(losses)}
            bar.set_postfix({name: f"{value:.3f}" for name, value in told.items()}, refresh=False)
    return labels, answers, losses


def train(
    run: TrainState,
    recipe: Recipe,
    photos: dict[str, PhotoSet],
    folder: Path,
    probe: Callable[[ResNet], dict[str, float]] | None = None,
) -> None:
    """Train until the recipe's last epoch, saving after each.

    Args:
        run: continues from its last epoch; changed in place.
        recipe: how to train.
        photos: train and, if there are any, outliers at `recipe.stored_size`; val at
            `recipe.image_size`.
        folder: where the state, the one before it and history.csv are kept.
        probe: measures the network after each epoch, for the row of val.

    Raises:
        DivergedError: a loss is not a number any more.
        TrainingError: the run cannot be saved.
    """
    train_photos, val = photos["train"], photos["val"]
    count, measure = epoch_photos(train_photos, recipe), best_by(train_photos.labels)
    told = math.ceil(recipe.epochs / MAX_LINES)
    first = distributed.rank().index == 0  # the others compute the same and say nothing
    if first and run.epoch:  # what was stopped between its state and its history lacks rows of it
        run.save_history(folder)
    with tqdm(
        total=count * recipe.epochs,
        initial=count * run.epoch,
        unit=" photos",
        smoothing=0.05,
        disable=not first,
    ) as bar:
        while run.epoch < recipe.epochs:
            bar.set_description(f"{recipe.norm} epoch {run.epoch + 1}/{recipe.epochs}")
            start = time.perf_counter()
            outliers = photos.get(OUTLIERS) if has_outliers(recipe, run.epoch) else None
            labels, answers, losses = train_epoch(run, recipe, train_photos, bar, outliers)
            trained = time.perf_counter()
            retake_statistics(run.network, train_photos, recipe, outliers)
            logits = predict(run.network, val.pixels, recipe)
            val_loss = F.cross_entropy(logits, torch.from_numpy(val.labels)).item()
            check_finite(val_loss, run.epoch + 1, recipe)
            rate = run.optimizer.param_groups[0]["lr"]
            rows = {
                "train": (np.mean(losses), np.array(labels), np.array(answers), trained - start),
                "val": (
                    val_loss,
                    val.labels,
                    logits.argmax(1).numpy(),
                    time.perf_counter() - trained,
                ),
            }
            run.epoch += 1
            for split, (loss, truth, answer, seconds) in rows.items():
                row = {"epoch": run.epoch, "split": split, "loss": float(loss)}
                row |= scores(truth, answer)
                run.history.append(row | {"learning_rate": rate, "seconds": seconds})
            if probe:
                run.history[-1] |= probe(run.network)
            validations = [row[measure] for row in run.history if row["split"] == "val"]
            if validations[-1] == max(validations):
                run.best = {k: v.clone() for k, v in run.network.state_dict().items()}
                run.best_epoch = run.epoch
            here, machines = machine(recipe.device), run.trained.get("machines", [])
            run.trained |= {
                "recipe": recipe.as_dict(),
                "precision": str(precision(recipe)).removeprefix("torch."),
                "machines": machines if here in machines else [*machines, here],
            }
            if first:
                run.save(folder)
                if run.epoch % told == 0 or run.epoch == recipe.epochs:
                    bar.write(
                        f"epoch {run.epoch:3}  train {run.history[-2][measure]:.3f}"
                        f"  val {validations[-1]:.3f}  best {max(validations):.3f}"
                    )
