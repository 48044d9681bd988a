"""Train one network, measure it, and write a checkpoint that the app serves.

python -m trainer --norm bin --data PHOTOS
python -m trainer --norm bin --data PHOTOS --resume
python -m trainer --preset report --norm gn --data PHOTOS
torchrun --nproc-per-node=2 -m trainer --norm bin --data PHOTOS
"""

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import torch
import tyro

from trainer import processes
from trainer.checkpoint import make_checkpoint
from trainer.export import ExportError
from trainer.memory import keep_memory
from trainer.photos import PhotoSetError
from trainer.recipe import PRESETS, Recipe
from trainer.run import TrainingError


@dataclass(frozen=True)
class Command:
    """Train one network on a folder of photos and write a checkpoint that the app serves."""

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    preset: Literal["best", "report"] = "best"
    """The best recipe found, or the course report's own; flags change single values of it."""
    resume: bool = False
    """Go on from the last finished epoch of the run in the output folder."""


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
    """Run the command; returns the exit status: 0, 2 for what the user can mend, 130 if stopped."""
    command = parse(arguments)
    folder = Path(command.recipe.output) / command.recipe.norm
    keep_memory()
    torch.set_flush_denormal(True)
    try:
        processes.join(command.recipe.device)
        first = processes.place().rank == 0
        make_checkpoint(command.recipe, folder, command.resume)
    except (PhotoSetError, TrainingError, ExportError, processes.ProcessError) as error:
        print(error, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"\nStopped. --resume goes on from the last finished epoch in {folder}.")
        return 130
    if first:
        print(f"{folder} is complete: copy it into checkpoints/ and the app serves it.")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
