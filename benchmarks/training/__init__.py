"""Speed of training: layers, steps, processes, an epoch."""
