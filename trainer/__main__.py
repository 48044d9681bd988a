"""Train networks, measure them, and write checkpoints that the app serves.

python -m trainer --norm bin --data PHOTOS
python -m trainer --norm bn gn bin --data PHOTOS --name garden
python -m trainer --norm bin --data PHOTOS --resume
python -m trainer --norm bin --data demo
python -m trainer --preset report --norm gn --data PHOTOS
torchrun --nproc-per-node=2 -m trainer --norm bin --data PHOTOS
"""

import argparse
import csv
import os
import re
import shlex
import statistics
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Annotated, Literal, NamedTuple, get_args

import tyro

from plumage.contract import RESULTS
from trainer.checkpoint.reports import checkpoints_for
from trainer.data.demo import DEMO, EPOCHS, photo_folder
from trainer.data.outliers import OutlierFolder
from trainer.data.photo_folder import PhotoFolder
from trainer.recipe import CHECKPOINTS, FITTED, PRESETS, NormKey, Recipe, RecipeError
from trainer.run_folder import (
    DivergedError,
    TrainingError,
    as_started,
    check_same_photos,
    is_finished,
    stored_run,
)
from trainer.utils.cli import exit_status, importing
from trainer.utils.files import replacing

MEASURED = 200  # test photos whose heatmaps are measured


@dataclass(frozen=True)
class Command:
    """Train networks on a folder of photos and write checkpoints that the app serves.

    --norm takes several norms, or all: they are trained one after the other and compared.
    """

    recipe: Annotated[Recipe, tyro.conf.arg(name="")]
    preset: Literal["best", "report"] = "best"
    """The recipe chosen on val, or the course report's own; flags change single values of it."""
    resume: bool = False
    """Continue from the last finished epoch of the run in the output folder."""
    name: str | None = None
    """Write the checkpoints into checkpoints/NAME, each in a folder named after its norm."""
    seeds: int = 1
    """Repeat every norm with this number of seeds; the app gets the networks of the first."""
    norms: tyro.conf.Suppress[tuple[NormKey, ...]] = ()
    """All that --norm names; without any, the recipe's own."""
    given: tyro.conf.Suppress[tuple[str, ...]] = FITTED
    """Hyperparameters that the command line or a preset fixes; others are fitted to the photos."""

    @property
    def home(self) -> Path:
        """The folder of the checkpoints."""
        if self.name is None:
            return Path(self.recipe.output)
        here = Path.cwd()
        inside = CHECKPOINTS.is_relative_to(here)
        return (CHECKPOINTS.relative_to(here) if inside else CHECKPOINTS) / self.name

    def runs(self) -> Iterator[tuple[Recipe, Path]]:
        """Each run's recipe and folder; those of further seeds are no variants of the app."""
        for number, norm in product(range(self.seeds), self.norms or (self.recipe.norm,)):
            home = self.home / "seeds" / str(self.recipe.seed + number) if number else self.home
            recipe = replace(self.recipe, norm=norm, seed=self.recipe.seed + number)
            yield recipe, home / norm

    def check(self) -> None:
        """Raise RecipeError unless every value is possible."""
        self.recipe.check()
        if self.seeds < 1:
            raise RecipeError(f"--seeds {self.seeds} is not possible: it must be at least 1.")
        taken = {*get_args(NormKey), RESULTS, "seeds", "cache"}
        if self.name is not None and (
            not re.fullmatch(r"\w[\w .-]*", self.name) or self.name in taken
        ):
            raise RecipeError(
                f"--name {self.name} is not possible: it must be the name of a folder, of letters, "
                f"digits, spaces, dots and hyphens, and none of {', '.join(sorted(taken))}."
            )
        if len(list(self.runs())) > 1 and "TORCHELASTIC_RUN_ID" in os.environ:
            raise RecipeError("torchrun trains one network: name one --norm and one seed.")


def parse(arguments: list[str]) -> Command:
    """The command line, its defaults taken from the preset that it names."""
    several = argparse.ArgumentParser("python -m trainer", add_help=False, allow_abbrev=False)
    several.add_argument("--norm", nargs="+", choices=[*get_args(NormKey), "all"], default=["bn"])
    named, rest = several.parse_known_args(arguments)
    norms = get_args(NormKey) if "all" in named.norm else tuple(dict.fromkeys(named.norm))
    if {"-h", "--help"} & set(rest):
        rest = ["--help"]
    first = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    first.add_argument("--preset", choices=PRESETS, default="best")
    for name in FITTED:
        first.add_argument(f"--{name.replace('_', '-')}", f"--{name}", dest=name)
    fixed = first.parse_known_args(rest)[0]
    preset = fixed.preset
    given = [name for name in FITTED if preset != "best" or getattr(fixed, name) is not None]
    recipe = replace(PRESETS[preset], norm=norms[0])
    command = tyro.cli(
        Command,
        prog="python -m trainer",
        args=rest,
        default=Command(recipe, preset, norms=norms, given=tuple(given)),
        config=(tyro.conf.FlagCreatePairsOff,),
    )
    if command.recipe.data == DEMO and "epochs" not in given:
        easy = replace(command.recipe, epochs=EPOCHS)
        return replace(command, recipe=easy, given=(*command.given, "epochs"))
    return command


def main(arguments: list[str]) -> int:
    """Run the command; returns the exit status: 0, 2 for a user error, 130 if stopped."""
    command = parse(arguments)
    folders = [folder for _, folder in command.runs()]
    where = folders[0] if len(folders) == 1 else command.home
    hint = f"--resume continues from the last finished epoch in {where}, if there is one."
    return exit_status(partial(run, command), hint)


class Plan(NamedTuple):
    """The state of a run to be made.

    Attributes:
        recipe: its own.
        folder: its own.
        started: whether the folder holds a part of it.
        finished: whether the folder holds all of it.
    """

    recipe: Recipe
    folder: Path
    started: bool
    finished: bool


def run(command: Command) -> None:
    """Train each network, write its checkpoint, and compare several.

    What is finished already stays as it is. All folders are looked at before anything is trained.

    Raises:
        RecipeError: a flag's value is not possible.
        DeviceError: this machine does not have the device.
        TrainingError, PhotoSetError, ProcessError: as `train_run` does.
        ExportError: as `write_checkpoint` does.
    """
    command.check()
    recipe = command.recipe
    if not command.resume:
        for one, folder in command.runs():
            is_finished(one, folder, resume=False)  # refuses a folder that holds a run
    recipe = replace(recipe, data=str(photo_folder(recipe.data, Path(recipe.output))))
    command = replace(command, recipe=recipe)
    source = PhotoFolder(Path(recipe.data))
    plans = [planned(command, one, folder, source) for one, folder in command.runs()]
    if not all(plan.finished for plan in plans):
        source.check_before_cut()
        if recipe.outliers:
            OutlierFolder(Path(recipe.outliers)).check()
    with importing():  # what follows has no import that takes long
        import trainer.audit.detect.duplicates
        import trainer.checkpoint.write
        import trainer.run
        from trainer.utils import distributed
        from trainer.utils.system import check_device, prepare

        if len(plans) > 1:
            import trainer.evaluate.comparison
            import trainer.explain.measures  # noqa: F401
    check_device(recipe.device)
    prepare()
    distributed.init(recipe.device)
    first = distributed.rank().index == 0
    diverged = [str(error) for plan in plans if (error := train_one(plan, command, len(plans) > 1))]
    if first:
        if 1 < len(plans) > len(diverged):
            compare(command, plans)
        names = ", ".join(str(plan.folder) for plan in plans)
        if diverged:
            raise TrainingError("\n".join(diverged))
        print(f"{names} {'is' if len(plans) == 1 else 'are'} complete.")
        print(f"Next: make app CHECKPOINTS={shlex.quote(str(command.home))}")


def planned(command: Command, recipe: Recipe, folder: Path, source: PhotoFolder) -> Plan:
    """Plan a run; raises TrainingError where its folder holds another."""
    stored = stored_run(folder) if command.resume else None
    if stored:
        recipe = as_started(recipe, stored, command.given)
        if source.root.exists():
            check_same_photos(stored, source.digest, source.root, folder)
    return Plan(recipe, folder, stored is not None, is_finished(recipe, folder, command.resume))


def train_one(plan: Plan, command: Command, several: bool) -> DivergedError | None:
    """Train a network and write its checkpoint; of several, one that diverges stops no other."""
    from trainer.checkpoint.write import write_checkpoint
    from trainer.opening import nested_in_words
    from trainer.run import train_run
    from trainer.splits import cut_in_words, open_photos
    from trainer.utils import distributed

    if plan.finished:
        return None
    recipe, folder = plan.recipe, plan.folder
    first = distributed.rank().index == 0
    source = open_photos(Path(recipe.data), folder, Path(recipe.output) / "cache")
    for told in filter(None, (nested_in_words(source), cut_in_words(source))):
        if first:
            print(told)
    if not plan.started:
        recipe = recipe.fitted(source.count(recipe.photos_per_species), command.given)
    try:
        trained, photos = train_run(recipe, folder, source)
    except DivergedError as error:
        if several:
            return error
        raise
    distributed.destroy()
    if first:
        write_checkpoint(trained, recipe, source, photos, folder)
    return None


def compare(command: Command, plans: list[Plan]) -> None:
    """Compare the checkpoints as page Results does, measure heatmaps, and tell seeds apart."""
    from trainer.evaluate import comparison
    from trainer.explain.measures import explain

    on = comparison.Command(command.recipe.data, command.recipe.output, command.home)
    comparison.write_comparison(on)
    reports = checkpoints_for(on.photo_set, on.checkpoints)
    explain(on.photo_set, on.checkpoints, reports, (), MEASURED, Path(on.output) / "cache")
    if command.seeds > 1:
        rows = [
            {"norm": plan.recipe.norm, "seed": plan.recipe.seed}
            | {name: score["value"] for name, score in stored["metrics"]["test"].items()}
            for plan in plans
            if (stored := stored_run(plan.folder)) and "metrics" in stored
        ]
        table = command.home / RESULTS / "seeds.csv"
        with (
            replacing(table) as temporary,
            temporary.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        for norm in command.norms:
            found = [row["accuracy"] for row in rows if row["norm"] == norm]
            if found:
                print(
                    f"{norm:10} accuracy on test, {len(found)} seeds: mean "
                    f"{statistics.mean(found):.1%}, {min(found):.1%} to {max(found):.1%}"
                )
        print(f"Every seed: {table}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
