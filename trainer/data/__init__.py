"""Folders of photos, read once and made into batches."""
