"""Detectors of the faults of a photo set."""
