"""All that makes a checkpoint of a trained network."""
