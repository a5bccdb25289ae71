"""All backends: one module for each runtime, the shared base class in `base`, and the list of names in `registry`."""
