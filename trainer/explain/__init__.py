"""Heatmaps and their faithfulness: `python -m trainer.explain`."""
