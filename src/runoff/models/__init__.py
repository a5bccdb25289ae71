"""The trained networks: the float64 reference, Go's JSON format, model files and accuracy."""
