"""The schedule of a recipe: learning rate, size of crops, outliers. Imports no torch."""

import math

from trainer.recipe import Recipe


def learning_rate(recipe: Recipe, epochs_done: float) -> float:
    """The schedule's learning rate after a fractional number of epochs."""
    t = epochs_done / recipe.epochs
    factor = {
        "constant": 1.0,
        "step": 0.1 ** ((t >= 0.5) + (t >= 0.75)),
        "cosine": 0.5 * (1 + math.cos(math.pi * t)),
        "triangular": min(0.04 + t * 0.96 / 0.25, (1 - t) / 0.75),
    }[recipe.schedule]
    if recipe.warmup:
        factor *= min(1.0, epochs_done / recipe.warmup)
    return recipe.learning_rate * factor


def training_size(recipe: Recipe, epoch: int) -> int:
    """Side of the training crops in pixels, a multiple of 8, in an epoch counted from 0."""
    progress = epoch / max(1, recipe.epochs - 1)
    scale = recipe.first_scale + (1 - recipe.first_scale) * progress
    return max(8, round(recipe.image_size * scale / 8) * 8)


def has_outliers(recipe: Recipe, epoch: int) -> bool:
    """Whether there are outliers in an epoch counted from 0."""
    last = recipe.epochs if recipe.outlier_epochs is None else recipe.outlier_epochs
    return recipe.outliers is not None and epoch >= recipe.epochs - last
