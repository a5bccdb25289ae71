"""The subcommands of `runoff`, one file each: `add_arguments(parser)` and `run(arguments) -> exit code`."""
