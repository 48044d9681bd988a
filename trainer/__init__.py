"""Trains one small residual network on bird photos under seven normalisations."""

import sys

import plumage  # noqa: F401, turns telemetry off before any library is imported
from trainer.utils.cli import end_at_once

if sys.argv[0] == "-m":  # while Python looks for the command that `python -m trainer` names
    end_at_once()
