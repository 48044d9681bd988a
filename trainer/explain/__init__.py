"""What the networks look at, and how far their heatmaps can be believed."""
