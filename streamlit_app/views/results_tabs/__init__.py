"""Tabs of the Results page that fill a file each."""
