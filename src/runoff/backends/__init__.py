"""One file per way of running a model, behind the small contract of `base`."""
