"""The norms and the network that they are compared in."""
