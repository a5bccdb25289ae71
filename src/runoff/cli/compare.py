"""`runoff compare`: two saved runs side by side."""

import argparse
from pathlib import Path

from runoff.records.folder import RunFolder
from runoff.records.saved import read_run
from runoff.report.run_comparison import run_comparison_lines


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `runoff compare`."""
    parser.add_argument("baseline", help="a saved run: its path, its number, or the beginning of its name")
    parser.add_argument("candidate", help="another one")
    parser.add_argument("--storage", type=Path, default=Path(".benchmarks"), help="folder of saved runs")


def run(arguments: argparse.Namespace) -> int:
    """
    Print the comparison.

    Returns:
        0: a comparison of saved runs is no verdict.

    Raises:
        UsageError: If a name stands for no run or for several.
        RecordError: If one of the files is no saved run.
    """
    folder = RunFolder(arguments.storage)
    paths = [folder.find(name) for name in (arguments.baseline, arguments.candidate)]
    before, now = ((path, read_run(path)) for path in paths)
    print("\n".join(run_comparison_lines(before, now)))  # noqa: T201
    return 0
