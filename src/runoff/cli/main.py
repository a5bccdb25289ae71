"""The `runoff` command: parses words, hands over to `runoff.cli`, turns errors into one line and an exit code."""

import argparse
import importlib
import io
import os
import sys
from collections.abc import Sequence

from runoff.errors import RunoffError, UsageError

# Subcommand to its one-line help; the module of that name under runoff.cli is imported only when it is called.
COMMANDS = {
    "convert": "convert trained networks to verified ONNX files",
    "serve": "serve trained networks over gRPC",
    "history": "show how the cases of saved runs have moved",
    "compare": "compare two saved runs",
}
EXIT_OK, EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 0, 1, 2, 130


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run the `runoff` command.

    Args:
        argv: Its words; those of the process if not given.

    Returns:
        0 if all went well, 1 if something failed, 2 for words it does not know, 130 after Ctrl-C.
    """
    _allow_any_encoding()
    words = list(sys.argv[1:] if argv is None else argv)
    parser = argparse.ArgumentParser(
        prog="runoff", description="Benchmarks small neural networks in process and behind gRPC."
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, summary in COMMANDS.items():
        subparser = subparsers.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name in words:
            importlib.import_module(f"runoff.cli.{name}").add_arguments(subparser)
    arguments = parser.parse_args(words)
    command = importlib.import_module(f"runoff.cli.{arguments.command}")
    try:
        return int(command.run(arguments))
    except UsageError as error:
        print(f"runoff {arguments.command}: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_USAGE
    except RunoffError as error:
        print(f"runoff {arguments.command}: {error}", file=sys.stderr)  # noqa: T201
        return EXIT_FAILED
    except KeyboardInterrupt:
        print(f"runoff {arguments.command}: interrupted", file=sys.stderr)  # noqa: T201
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        # The reader (head, less) has seen enough; Python would complain once more when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_FAILED


def _allow_any_encoding() -> None:
    """Where the terminal's or the pipe's encoding has no `→`, show a question mark instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


if __name__ == "__main__":
    sys.exit(main())
