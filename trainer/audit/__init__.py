"""What is wrong with a photo set, before a network learns it: `python -m trainer.audit PHOTOS`."""
