"""Turn the value of the option --gate-against into a baseline whose tests can be run."""
