"""The border experiment: whether a network learns black corners as a shortcut."""
