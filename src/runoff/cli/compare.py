"""`runoff compare`: print the latencies of two saved runs next to each other."""

import argparse
from pathlib import Path

from runoff.records.folder import RunFolder
from runoff.records.reader import read_run
from runoff.report.run_comparison import run_comparison_lines

EXAMPLES = """\
examples:
  runoff compare 12 15
  runoff compare .benchmarks/Linux-CPython-3.12-64bit/0012_main.json 15
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `runoff compare`."""
    parser.epilog = EXAMPLES
    parser.add_argument("baseline", help="a saved run: its path, its number or the beginning of its file name")
    parser.add_argument("candidate", help="the saved run to compare with the baseline")
    parser.add_argument(
        "--storage", type=Path, default=Path(".benchmarks"), metavar="DIR", help="folder of saved runs (%(default)s)"
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the comparison and return 0: runs measured at different times cannot justify a pass-or-fail verdict."""
    folder = RunFolder(arguments.storage)
    paths = [folder.find(name) for name in (arguments.baseline, arguments.candidate)]
    baseline, candidate = ((path, read_run(path)) for path in paths)
    print("\n".join(run_comparison_lines(baseline, candidate)))  # noqa: T201
    return 0
