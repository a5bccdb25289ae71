"""The `runoff` command: parse the arguments, run a subcommand, and report an error as one line and an exit code."""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence
from importlib import metadata

from runoff.errors import RunoffError, UsageError

# Each subcommand with its one-line help. The module runoff.cli.<subcommand> is imported only if it is needed.
COMMANDS = {
    "convert": "convert trained networks to verified ONNX files",
    "serve": "serve trained networks over gRPC",
    "history": "show how the latency of each case changed over the saved runs",
    "compare": "compare the latencies of two saved runs",
}
EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the `runoff` command.

    Args:
        argv: Command-line arguments; those of the process by default.

    Returns:
        The exit code: 0 after success, 1 after a failure, 2 for invalid arguments or none, 130 after Ctrl-C. `history`
        has further exit codes.
    """
    _replace_unprintable_characters()
    argv = list(sys.argv[1:] if argv is None else argv)
    parser = _parser(argv)
    arguments = parser.parse_args(argv)
    if arguments.version:
        print(f"runoff {metadata.version('runoff')}")  # noqa: T201
        return EXIT_OK
    if arguments.command is None:
        parser.print_help()
        return EXIT_USAGE
    command = importlib.import_module(f"runoff.cli.{arguments.command}")
    try:
        return int(command.run(arguments))
    except RunoffError as error:
        message, exit_code = str(error), EXIT_USAGE if isinstance(error, UsageError) else EXIT_FAILED
    except KeyboardInterrupt:
        message, exit_code = "interrupted", EXIT_INTERRUPTED
    except BrokenPipeError:
        # The program that reads stdout (such as `head`) has exited. Discard output, so that the flush at exit succeeds.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED
    print(f"runoff {arguments.command}: {message}", file=sys.stderr)  # noqa: T201
    return exit_code


def _parser(argv: Sequence[str]) -> argparse.ArgumentParser:
    """Return a parser with all subcommands. To start fast, import and fully define only those named in `argv`."""
    parser = argparse.ArgumentParser(
        prog="runoff",
        description="Convert and serve small neural networks, and show the results of saved benchmark runs.",
        epilog="Run `runoff COMMAND --help` for the options of a command and an example.",
    )
    parser.add_argument("--version", action="store_true", help="show the installed version and exit")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(
            name,
            help=summary,
            description=summary[0].upper() + summary[1:] + ".",
            # Keep the line breaks of the examples.
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        if name in argv:
            importlib.import_module(f"runoff.cli.{name}").add_arguments(subparser)
    return parser


def _replace_unprintable_characters() -> None:
    """Make stdout and stderr print `?` for characters that their encoding does not support, such as `→`."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
