"""Trained networks: the float64 reference, Go's JSON format, the search for model files, and accuracy checks."""
