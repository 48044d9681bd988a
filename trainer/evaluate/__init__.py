"""What is measured of finished checkpoints."""
