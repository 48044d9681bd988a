"""Benchmarks: one command for each question, each writes a table and JSON."""

import plumage  # noqa: F401, turns telemetry off before any library is imported
