"""What the networks look at, and how far to believe it: `python -m trainer.explain`."""
