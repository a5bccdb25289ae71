"""`runoff history`: show how the latency of each benchmark case changed over the saved runs."""

import argparse
from fnmatch import fnmatch
from pathlib import Path

from tqdm import tqdm

from runoff.errors import UsageError
from runoff.records.folder import RunFolder
from runoff.report.saved_files import skipped_lines
from runoff.report.trends import FEWEST_RUNS_OF_A_LEVEL, Change, Series, change_points, collect_series, history_lines

EXIT_OK, EXIT_SLOWER, EXIT_TOO_FEW_RUNS = 0, 10, 11
# --gate judges only cases with at least this many runs. With fewer runs, noise could be mistaken for a change.
FEWEST_RUNS_OF_A_GATE = 20


EXAMPLES = """\
examples:
  runoff history --case 'onnxruntime-cpu-*-b1'
  runoff history --last 50 --gate
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `runoff history`."""
    parser.epilog = EXAMPLES
    parser.add_argument(
        "--storage", type=Path, default=Path(".benchmarks"), metavar="DIR", help="folder of saved runs (%(default)s)"
    )
    parser.add_argument(
        "--case", default="*", metavar="GLOB", help="show only cases whose id matches, such as 'onnxruntime-cpu-*-b1'"
    )
    parser.add_argument(
        "--last", type=int, default=0, metavar="N", help="use only the last N runs of each case (default: all)"
    )
    parser.add_argument(
        "--gate",
        action="store_true",
        help=f"exit with {EXIT_SLOWER} if a case became slower at its last change; needs {FEWEST_RUNS_OF_A_GATE} runs"
        " of it (`pytest --gate-against` measures side by side and needs no saved runs)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the history and return 0. With --gate, return 10 if a case became slower, 11 if no case has enough runs."""
    if arguments.last < 0:
        raise UsageError(f"--last is {arguments.last}, expected a number of runs, or 0 for all")
    folder = RunFolder(arguments.storage)
    files = tqdm(folder.runs(), total=len(folder.files()), desc="reading", leave=False, disable=None)
    found = [series for series in collect_series(files) if fnmatch(series.case, arguments.case)]
    shown = [Series(series.case, series.points[-arguments.last :]) for series in found]
    changes = {index: change_points(series) for index, series in enumerate(shown)}
    lines = history_lines(shown, changes) if shown else [f"no case {arguments.case} in a complete run of {folder.path}"]
    lines += skipped_lines(folder.skipped)
    exit_code, verdict = _judge(shown, changes) if arguments.gate else (EXIT_OK, [])
    print("\n".join([*lines, *verdict]))  # noqa: T201
    return exit_code


def _judge(shown: list[Series], changes: dict[int, list[Change]]) -> tuple[int, list[str]]:
    """Return the exit code of --gate and the lines of text that explain it."""
    enough = [index for index, series in enumerate(shown) if len(series.points) >= FEWEST_RUNS_OF_A_GATE]
    if not enough:
        expected = f"at least {FEWEST_RUNS_OF_A_GATE} comparable runs of a case, {FEWEST_RUNS_OF_A_LEVEL} of them new"
        return EXIT_TOO_FEW_RUNS, [f"too few runs for a verdict, expected {expected}"]
    slower = [index for index in enough if changes[index] and changes[index][-1].change > 0]
    lines = [f"slower: {shown[i].case} {changes[i][-1].change:+.0%} since {changes[i][-1].run}" for i in slower]
    left_out = len(shown) - len(enough)
    if left_out:
        lines.append(f"{left_out} of {len(shown)} cases have too few runs for a verdict")
    return (EXIT_SLOWER if slower else EXIT_OK), lines or ["no case became slower at its last change"]
