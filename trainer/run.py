"""A whole run: its photos, how long it will take, and its training."""

import itertools
import math
import time
from pathlib import Path

import numpy as np

from plumage.folders import SPLITS
from trainer.data.batches import Batches
from trainer.data.outliers import OUTLIERS, OutlierFolder
from trainer.data.photo_folder import PhotoFolder, check_every_species, report_left_out
from trainer.data.photo_set import PhotoSet
from trainer.opening import photos_in_words, time_in_words
from trainer.recipe import Recipe
from trainer.run_folder import TrainingError
from trainer.schedule import has_outliers, training_size
from trainer.state import TrainState, new_run, open_run
from trainer.training import MAX_RETAKEN, epoch_photos, train, train_step
from trainer.utils import distributed

TIMED = 3  # steps, after as many that are slower


def expected_seconds(recipe: Recipe, photos: dict[str, PhotoSet], done: int = 0) -> float:
    """Seconds of a recipe's epochs, by a few steps of a network that is thrown away.

    photos: as those of `train`. done: epochs that are behind a run that is resumed.
    """
    train_photos, outliers = photos["train"], photos.get(OUTLIERS)
    run = new_run(recipe, len(train_photos.species))
    batches = Batches(train_photos, recipe, recipe.image_size, 0, outliers)
    seconds = []
    for batch, target in itertools.islice(itertools.cycle(batches), 2 * TIMED):
        start = time.perf_counter()
        train_step(run, recipe, batch, target)[0].item()
        seconds.append(time.perf_counter() - start)
    step = float(np.median(seconds[TIMED:]))
    shares = [share_of_step(recipe, epoch) for epoch in range(done, recipe.epochs)]
    # Statistics and val are answered once an epoch, which takes a third of training on them.
    answered = min(MAX_RETAKEN, len(train_photos.labels)) + len(photos["val"].labels)
    between = step * answered / recipe.batch_size / 3
    return sum(step * len(batches) * share + between for share in shares)


def share_of_step(recipe: Recipe, epoch: int) -> float:
    """The time of a step in an epoch over that of one at full size with outliers, by pixels."""
    size = training_size(recipe, epoch) / recipe.image_size
    if not recipe.outliers or has_outliers(recipe, epoch):
        return size**2
    return size**2 * recipe.batch_size / (recipe.batch_size + recipe.outliers_per_batch)


def train_run(
    recipe: Recipe, folder: Path, source: PhotoFolder
) -> tuple[TrainState, dict[str, PhotoSet]]:
    """Train the run of a folder to its end, from where it was stopped.

    Args:
        recipe: how, and where decoded photos are kept.
        folder: of the run.
        source: the photos, with all splits.

    Returns:
        The run, its network on the CPU with the weights that are best on val, and the photos of
        each split at `recipe.image_size`; and the outliers, if it has any.

    Raises:
        TrainingError: the folder holds another run, or training fails.
        PhotoSetError: the photos cannot be trained on.
        ProcessError: another process has ended.
    """
    rank = distributed.rank()
    if rank.world_size > 1 and recipe.norm == "torch-bn":
        # torch.nn.SyncBatchNorm runs on GPUs only, and without it this would be another network.
        raise TrainingError(
            "torch-bn is trained by one process: torch's layer knows the photos of its own process "
            "only. --norm bn computes the same over those of all."
        )
    cache = Path(recipe.output) / "cache"
    source.check()
    photos = {split: source.load(split, recipe.image_size, cache) for split in SPLITS}
    trained_on = {"train": source.load("train", recipe.stored_size, cache), "val": photos["val"]}
    if rank.index == 0:
        report_left_out(source, (*photos.values(), trained_on["train"]))
    check_every_species(source, photos)
    if recipe.outliers:
        strange = OutlierFolder(Path(recipe.outliers))
        strange.check()
        trained_on[OUTLIERS] = strange.load(OUTLIERS, recipe.stored_size, cache)
        photos[OUTLIERS] = trained_on[OUTLIERS]
        if rank.index == 0:
            report_left_out(strange, [trained_on[OUTLIERS]])
    run = open_run(recipe, len(source.species), folder)
    fingerprints = [int(found.fingerprint[:15], 16) for found in trained_on.values()]
    if not distributed.all_equal(run.epoch, *fingerprints, device=recipe.device):
        raise TrainingError(
            f"The processes disagree about the photos or the saved state in {folder}: --data, "
            "--outliers and --output must name folders that all machines share."
        )
    seconds = expected_seconds(recipe, trained_on, run.epoch) if run.epoch < recipe.epochs else 0
    if rank.index == 0:
        print(*photos_in_words(photos, recipe.balance), sep="\n")
        steps = math.ceil(epoch_photos(photos["train"], recipe) / recipe.batch_size)
        if run.epoch < recipe.epochs:
            told = time_in_words(recipe, run.epoch, steps, seconds)
            print(f"{told}, by {TIMED} timed steps.", flush=True)
    run.trained["files"] = source.digest
    train(run, recipe, trained_on, folder)
    run.network.cpu().load_state_dict(run.best)
    return run, photos
