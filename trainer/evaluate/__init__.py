"""Measures of finished checkpoints."""
