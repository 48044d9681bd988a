"""Trains one small residual network on bird photos under seven normalisations."""

import plumage  # noqa: F401, turns telemetry off before any library is imported
