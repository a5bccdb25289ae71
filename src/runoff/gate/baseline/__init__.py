"""Turn the text of --gate-against into a baseline whose tests can be run."""
