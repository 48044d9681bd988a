"""Measure finished checkpoints.

    python -m trainer.evaluate comparison --data PHOTOS
    python -m trainer.evaluate leakage --data PHOTOS
    python -m trainer.evaluate ood --data PHOTOS --ood FOLDER
    python -m trainer.evaluate robustness --data PHOTOS

Each writes checkpoints/results/MEASURE.json; MEASURE --help lists its flags.
"""

import argparse
import sys
from importlib import import_module

from trainer.utils.cli import importing

MEASURES = ("comparison", "leakage", "ood", "robustness")


def main(arguments: list[str]) -> int:
    """Run a measure; returns the exit status: 0, 2 for a user error, 130 if stopped."""
    parser = argparse.ArgumentParser(
        "python -m trainer.evaluate",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("measure", choices=MEASURES)
    measure = parser.parse_args(arguments[:1]).measure
    with importing():
        command = import_module(f"trainer.evaluate.{measure}")
    return command.main(arguments[1:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
