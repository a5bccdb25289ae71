"""Records -> lines. Prints nothing itself."""
