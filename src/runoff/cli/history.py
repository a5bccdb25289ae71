"""`runoff history`: how the cases of saved runs have moved."""

import argparse
from fnmatch import fnmatch
from pathlib import Path

from tqdm import tqdm

from runoff.errors import UsageError
from runoff.records.folder import RunFolder
from runoff.report.history import FEWEST_RUNS_OF_A_LEVEL, Change, Series, change_points, collect_series, history_lines
from runoff.report.skipped import skipped_lines

EXIT_OK, EXIT_SLOWER, EXIT_NOTHING = 0, 10, 11
# With fewer, the level before and the level after are guesses.
FEWEST_RUNS_OF_A_GATE = 20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the words of `runoff history`."""
    parser.add_argument("--storage", type=Path, default=Path(".benchmarks"), help="folder of saved runs")
    parser.add_argument("--case", default="*", metavar="GLOB", help="cases to show, such as 'onnxruntime-cpu-*-b1'")
    parser.add_argument("--last", type=int, default=0, metavar="N", help="look at the last N runs of a case only")
    parser.add_argument(
        "--gate",
        action="store_true",
        help=f"exit {EXIT_SLOWER} if the newest level of a case is slower than the one before it; needs"
        f" {FEWEST_RUNS_OF_A_GATE} runs (a gate that measures side by side needs none: pytest --gate-against)",
    )


def run(arguments: argparse.Namespace) -> int:
    """
    Print the history.

    Returns:
        0; with --gate 10 if a case has become slower, 11 if there are too few runs to say.

    Raises:
        UsageError: If there is no such folder or nothing to show.
    """
    if arguments.last < 0:
        raise UsageError(f"--last is {arguments.last}, expected a number of runs")
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
    """Return the exit code of --gate and the lines that explain it."""
    enough = [index for index, series in enumerate(shown) if len(series.points) >= FEWEST_RUNS_OF_A_GATE]
    if not enough:
        wanted = f"{FEWEST_RUNS_OF_A_GATE} comparable runs of a case, {FEWEST_RUNS_OF_A_LEVEL} of them new"
        return EXIT_NOTHING, [f"too few runs for a judgement, expected {wanted}"]
    slower = [index for index in enough if changes[index] and changes[index][-1].change > 0]
    lines = [f"slower: {shown[i].case} {changes[i][-1].change:+.0%} since {changes[i][-1].run}" for i in slower]
    left_out = len(shown) - len(enough)
    if left_out:
        lines.append(f"{left_out} of {len(shown)} cases have too few runs to be judged")
    return (EXIT_SLOWER if slower else EXIT_OK), lines or ["no case's newest level is slower than the one before"]
