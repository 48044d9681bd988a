"""Every hyperparameter of a run: its flag, its help, its value in report.json."""

import math
import re
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from trainer.utils.cli import UserError

CHECKPOINTS = Path(__file__).parents[1] / "checkpoints"
FITTED = ("batch_size", "epochs", "learning_rate")  # what `Recipe.fitted` changes
MIN_STEPS = 600
BATCHES = ((16, 320), (32, 1280))  # photos in a step, for training sets of fewer photos than that
FLAGS = {  # of hyperparameters whose flag has another name; their own is an alias
    "n": "--blocks-per-stage",
    "first_scale": "--initial-resolution",
    "stored_size": "--cache-size",
    "smallest_crop": "--min-crop-scale",
    "largest_aspect": "--max-crop-aspect",
}
NormKey = Literal["bn", "in", "bin", "ln", "gn", "nn", "torch-bn"]


def flag_of(name: str) -> str:
    """The flag of a hyperparameter."""
    return FLAGS.get(name, f"--{name.replace('_', '-')}")


class RecipeError(UserError):
    """A value that a run cannot be trained with; the message names the flag and what it takes."""


@dataclass(frozen=True)
class Recipe:
    """The hyperparameters of a run. The defaults are the recipe chosen on val (docs/results)."""

    norm: NormKey = "bn"
    """Normalisation: batch, instance, batch-instance, layer, group, none, or torch's own batch."""
    n: Annotated[int, tyro.conf.arg(aliases=[FLAGS["n"]])] = 2
    """Blocks in each of the three stages: the network has 6n+2 layers."""
    noun: str = ""
    """What a photo shows, in the app's words, such as bird; empty: class."""
    data: str = "photos"
    """Folder with one folder of photos a class, or with train/, val/ and test/ of such folders."""
    output: str = "runs"
    """Folder in which the run gets a folder of its own, named after the norm."""
    image_size: int = 96
    """Side in pixels of the square that photos are squeezed to when the network answers."""
    first_scale: Annotated[float, tyro.conf.arg(aliases=[FLAGS["first_scale"]])] = 0.67
    """Side of the training crops in the first epoch over image_size, to which they then grow."""
    stored_size: Annotated[int, tyro.conf.arg(aliases=[FLAGS["stored_size"]])] = 160
    """Side in pixels at which training photos are kept decoded, for crops to be cut from."""
    photos_per_species: int | None = None
    """Photos of each species to train on, the same for every seed; None: all."""
    batch_size: int = 64
    """Photos in each step, in all processes together; fewer for small sets, unless given."""
    epochs: int = 16
    """Times that every training photo is seen; more for small sets, unless given."""
    optimizer: Literal["sgd", "adam", "adamw", "rmsprop"] = "sgd"
    """How a step follows from the gradients."""
    learning_rate: float = 0.2
    """Highest learning rate of the schedule; falls with the batch for small sets, unless given."""
    momentum: float = 0.9
    """Momentum of SGD, and the first beta of Adam and AdamW; RMSprop has none."""
    nesterov: bool = True
    """SGD's momentum is Nesterov's."""
    weight_decay: float = 5e-4
    """Decay of the convolutions' and the linear layer's weights; norms and biases have none."""
    schedule: Literal["constant", "step", "cosine", "triangular", "one-cycle"] = "triangular"
    """Step divides by 10 at half and three quarters; triangular rises for a quarter of the run and
    then falls (one-cycle: its old name)."""
    warmup: float = 0.0
    """Epochs over which the learning rate rises from 0 to what the schedule says."""
    label_smoothing: float = 0.1
    """Probability that the target shares out over all species."""
    augmentation: Literal["none", "crops", "crops-and-colour"] = "crops"
    """Crops: random square-ish crops of the photo, shrunk with a random filter, and flips; colour:
    brightness, contrast and saturation as well."""
    smallest_crop: Annotated[float, tyro.conf.arg(aliases=[FLAGS["smallest_crop"]])] = 0.35
    """Share of the photo that the smallest crops keep; with 1 they are whole."""
    largest_aspect: Annotated[float, tyro.conf.arg(aliases=[FLAGS["largest_aspect"]])] = 1.25
    """Width over height, or the other way round, of the narrowest crops; with 1 they are square."""
    outliers: str | None = None
    """Folder of photos of none of the species to train with, in a folder for each kind; those in
    its folder no_bird are backgrounds, too. None: none."""
    outlier_epochs: int | None = None
    """How many epochs have outliers, counted from the last one. None: all."""
    outliers_per_batch: int = 16
    """Outliers beside the photos of each step."""
    outlier_weight: float = 0.5
    """Weight of their loss, the cross-entropy to the uniform distribution."""
    pasted: float = 0.25
    """Share of the photos that are shrunk onto a background, where there are outliers."""
    balance: bool = False
    """Draw every class equally often, however many photos it has."""
    precision: Literal["auto", "bfloat16", "float32"] = "auto"
    """Auto takes bfloat16 where the processor computes in it, else float32."""
    seed: int = 0
    """Seed of the weights, the order of the photos and the augmentation."""
    device: str = "cpu"
    """Device as torch names it: cpu, cuda, mps."""

    def __post_init__(self) -> None:
        if self.schedule == "one-cycle":  # as earlier versions wrote it
            object.__setattr__(self, "schedule", "triangular")

    @classmethod
    def from_report(cls, stored: dict[str, Any]) -> "Recipe":
        """The recipe of a report.json, without what earlier versions had beside it."""
        return cls(
            **{field.name: stored[field.name] for field in fields(cls) if field.name in stored}
        )

    def as_dict(self) -> dict[str, Any]:
        """The recipe as report.json stores it."""
        return asdict(self)

    def fitted(self, photos: int, given: Collection[str]) -> "Recipe":
        """The recipe for a number of training photos: MIN_STEPS at least, of a batch that fits.

        given: hyperparameters that stay as they are.
        """
        small = next((size for size, most in BATCHES if photos < most), self.batch_size)
        batch = self.batch_size if "batch_size" in given else min(small, self.batch_size)
        rate, epochs = self.learning_rate, self.epochs
        if "learning_rate" not in given:  # in proportion to the batch (Goyal et al. 2017)
            rate *= batch / self.batch_size
        if "epochs" not in given:
            epochs = max(epochs, math.ceil(MIN_STEPS / math.ceil(photos / batch)))
        return replace(self, batch_size=batch, learning_rate=rate, epochs=epochs)

    def check(self) -> None:
        """Raise RecipeError unless a network can be trained with every value."""
        for name, (possible, words) in POSSIBLE.items():
            value = getattr(self, name)
            if not possible(value):
                raise RecipeError(f"{flag_of(name)} {value} is not possible: it must be {words}.")

    def differences(self, other: dict[str, Any]) -> list[str]:
        """Names of the hyperparameters, places aside, in which a stored recipe is another one.

        What a recipe of an earlier version lacks had the default's effect; `workers` had none. Of
        the outliers it counts whether there are any, not where they lie.
        """
        places = {"noun", "data", "output", "device", "workers"}
        mine, other = self.as_dict(), other | Recipe.from_report(other).as_dict()
        for recipe in (mine, other):
            recipe["outliers"] = recipe["outliers"] is not None
        return sorted(k for k in other if k not in places and mine.get(k) != other[k])


# What each value must be, for those that the type does not limit; NaN is none of it.
POSSIBLE: dict[str, tuple[Callable[[Any], bool], str]] = {
    "n": (lambda blocks: blocks >= 1, "at least 1"),
    "image_size": (lambda pixels: pixels >= 8, "at least 8"),
    "first_scale": (lambda scale: 0 < scale <= 1, "above 0 and at most 1"),
    "stored_size": (lambda pixels: pixels >= 8, "at least 8"),
    "photos_per_species": (lambda photos: photos is None or photos >= 1, "at least 1, or None"),
    "batch_size": (lambda photos: photos >= 1, "at least 1"),
    "epochs": (lambda epochs: epochs >= 1, "at least 1"),
    "learning_rate": (lambda rate: 0 < rate < float("inf"), "above 0"),
    "momentum": (lambda momentum: 0 <= momentum < 1, "at least 0 and below 1"),
    "weight_decay": (lambda decay: 0 <= decay < float("inf"), "at least 0"),
    "warmup": (lambda epochs: 0 <= epochs < float("inf"), "at least 0"),
    "label_smoothing": (lambda share: 0 <= share < 1, "at least 0 and below 1"),
    "smallest_crop": (lambda share: 0 < share <= 1, "above 0 and at most 1"),
    "largest_aspect": (lambda aspect: 1 <= aspect <= 4, "at least 1 and at most 4"),
    "outlier_epochs": (lambda epochs: epochs is None or epochs >= 1, "at least 1, or None"),
    "outliers_per_batch": (lambda photos: photos >= 1, "at least 1"),
    "outlier_weight": (lambda weight: 0 <= weight < float("inf"), "at least 0"),
    "pasted": (lambda share: 0 <= share <= 1, "at least 0 and at most 1"),
    "seed": (lambda seed: 0 <= seed < 2**31, "at least 0 and below 2,147,483,648"),
    "device": (
        lambda device: re.fullmatch(r"cpu|mps|cuda(:\d+)?", device) is not None,
        "cpu, cuda, cuda:INDEX or mps",
    ),
}

PRESETS = {
    "best": Recipe(),
    # The course report: 256 px, batch 32, 50 epochs, SGD from 1e-4, no augmentation.
    "report": replace(
        Recipe(),
        image_size=256,
        first_scale=1.0,
        stored_size=256,
        batch_size=32,
        epochs=50,
        learning_rate=1e-4,
        weight_decay=0.0,
        schedule="constant",
        label_smoothing=0.0,
        augmentation="none",
    ),
}
