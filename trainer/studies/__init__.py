"""Families of runs that answer one question each."""
