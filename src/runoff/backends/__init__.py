"""The backends, one module for each runtime; `base` has their contract and `registry` their names."""
