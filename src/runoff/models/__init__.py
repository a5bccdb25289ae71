"""Trained networks: float64 reference, JSON files of the Go trainer, search for model files, and accuracy checks."""
