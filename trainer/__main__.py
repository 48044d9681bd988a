"""Train one network, measure it, and write a checkpoint that the app serves.

python -m trainer --norm bin --data PHOTOS
python -m trainer --norm bin --data PHOTOS --resume
python -m trainer --preset report --norm gn --data PHOTOS
torchrun --nproc-per-node=2 -m trainer --norm bin --data PHOTOS
"""

import argparse
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import tyro

from trainer.data import OutlierFolder, PhotoFolder
from trainer.recipe import PRESETS, Recipe
from trainer.run_folder import is_finished
from trainer.utils.cli import exit_status, importing


@dataclass(frozen=True)
class Command:
    """Train one network on a folder of photos and write a checkpoint that the app serves."""

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    preset: Literal["best", "report"] = "best"
    """The recipe chosen on val, or the course report's own; flags change single values of it."""
    resume: bool = False
    """Continue from the last finished epoch of the run in the output folder."""


def parse(arguments: list[str]) -> Command:
    """The command line, its defaults taken from the preset that it names."""
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", choices=PRESETS, default="best")
    preset = first.parse_known_args(arguments)[0].preset
    default = Command(PRESETS[preset], preset)
    return tyro.cli(
        Command,
        prog="python -m trainer",
        args=arguments,
        default=default,
        config=(tyro.conf.FlagCreatePairsOff,),
    )


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status: 0, 2 for a user error, 130 if stopped."""
    command = parse(arguments)
    folder = Path(command.recipe.output) / command.recipe.norm
    hint = f"--resume continues from the last finished epoch in {folder}, if there is one."
    return exit_status(partial(run, command, folder), hint)


def run(command: Command, folder: Path) -> None:
    """Train, with the other processes that torchrun started, and write the checkpoint.

    What is finished in `folder` already stays as it is.

    Raises:
        RecipeError: a flag's value is not possible.
        DeviceError: this machine does not have the device.
        TrainingError, PhotoSetError, ProcessError: as `train_run` does.
        ExportError: as `write_checkpoint` does.
    """
    recipe = command.recipe
    recipe.check()
    finished = is_finished(recipe, folder, command.resume)
    if not finished:
        PhotoFolder(Path(recipe.data)).check()
        if recipe.outliers:
            OutlierFolder(Path(recipe.outliers)).check()
    with importing():
        from trainer.checkpoint.write import write_checkpoint
        from trainer.training import train_run
        from trainer.utils import distributed
        from trainer.utils.system import check_device, prepare
    check_device(recipe.device)
    prepare()
    distributed.init(recipe.device)
    first = distributed.rank().index == 0
    if not finished:
        trained, photos = train_run(recipe, folder)
        distributed.destroy()
        if first:
            write_checkpoint(trained, recipe, photos, folder)
    if first:
        print(f"{folder} is complete: copy it into checkpoints/ and the app serves it.")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
