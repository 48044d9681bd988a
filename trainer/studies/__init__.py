"""Families of runs that answer one question each: `python -m trainer.studies`."""
