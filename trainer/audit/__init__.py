"""Faults of a photo set, found before a network learns them: `python -m trainer.audit PHOTOS`."""
