"""Data sets, training, checkpoints and the network that comes with the package."""
