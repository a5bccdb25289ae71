"""All backends: a module per framework or protocol, their base class in `base`, and a list of names in `registry`."""
