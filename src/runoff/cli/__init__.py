"""The `runoff` command, one module per subcommand."""
