"""`runoff convert`: model files in, verified ONNX files out, one line each; a failing one does not stop the others."""

import argparse
import contextlib
import gc
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from runoff.conversion import DEFAULT_OPSET, ConversionCache, OnnxModel, convert_file
from runoff.errors import ModelError, RunoffError, UsageError
from runoff.files.atomic_file import write_atomically
from runoff.files.untrusted_file import read_bytes
from runoff.models import model_files
from runoff.models.mlp import Kind

# A property that every file runoff writes holds (conversion.graph.DIGEST_PROPERTY, not imported: it brings onnx).
_OWN_MARK = b"runoff.digest"
_MAX_OWN_BYTES = 2**30


@dataclass(frozen=True)
class _Options:
    """What was asked for, checked."""

    opset: int
    kind: Kind | None
    force: bool
    cache: ConversionCache


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's words."""
    parser.add_argument("models", nargs="+", metavar="MODEL", help="model files (*.model), folders or globs")
    parser.add_argument("-o", "--output", metavar="DIR", help="folder for the .onnx files (default: beside each model)")
    parser.add_argument("--kind", choices=[str(kind) for kind in Kind], help="the kind every model must be of")
    parser.add_argument(
        "--opset", type=int, default=DEFAULT_OPSET, help=f"ONNX operator set to write (default: {DEFAULT_OPSET})"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="convert anew, whatever the cache holds, and replace existing files even if runoff did not make them",
    )
    parser.epilog = (
        "An existing output that is already right is left alone, one that runoff made from an older model is replaced,"
        " and any other file is only replaced with --force."
    )


def run(arguments: argparse.Namespace) -> int:
    """
    Convert every model.

    Returns:
        0 if every model was converted and verified, 1 if any was not.

    Raises:
        UsageError: If an option cannot be used.
        ModelError: If the models named are none, or two of one name.
    """
    if arguments.opset < 1:
        raise UsageError(f"--opset {arguments.opset}: expected a positive number such as {DEFAULT_OPSET}")
    models = model_files.find(arguments.models)
    folder = _prepared_folder(arguments.output)
    kind = Kind(arguments.kind) if arguments.kind else None
    options = _Options(arguments.opset, kind, arguments.force, ConversionCache())
    failed = 0
    # disable=None: a bar only where stderr is a terminal.
    with _uncollected(), tqdm(models.items(), unit="model", disable=None, leave=False, file=sys.stderr) as bar:
        for name, path in bar:
            target = (folder or path.parent) / f"{name}.onnx"
            try:
                model, action = _convert_one(path, target, options)
            except RunoffError as error:
                failed += 1
                bar.write(f"runoff convert: {error}", file=sys.stderr)
                continue
            bar.write(_line(name, model, action, target), file=sys.stdout)
            if model.accuracy and model.accuracy.warning:
                bar.write(f"runoff convert: warning: {path}: {model.accuracy.warning}", file=sys.stderr)
    _print_summary(len(models), failed)
    return 1 if failed else 0


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """
    Switch the search for cyclic garbage off.

    Importing torch and running its exporter make millions of objects that live on, and looking through them again and
    again takes 7 % of the time of a conversion of 294 models. What a conversion leaves behind is small.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _prepared_folder(name: str | None) -> Path | None:
    """Return the output folder, made where missing; raise UsageError before any work where it cannot be written."""
    if name is None:
        return None
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {folder}: cannot be made: {error.strerror}") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"--output {folder}: cannot be written; name another folder with -o")
    return folder


def _convert_one(path: Path, target: Path, options: _Options) -> tuple[OnnxModel, str]:
    """Convert one model and write its file; return the conversion and what happened to the file."""
    model = convert_file(path, opset=options.opset, cache=options.cache, kind=options.kind, fresh=options.force)
    action = "wrote"
    if os.path.lexists(target):
        existing = read_bytes(target, _MAX_OWN_BYTES)
        if existing == model.onnx and not options.force:
            return model, "unchanged"
        if _OWN_MARK not in existing and not options.force:
            raise ModelError(
                f"{target}: is there already and runoff did not make it;"
                " replace it with --force, or write elsewhere with -o"
            )
        action = "replaced"
    try:
        write_atomically(target, model.onnx)
    except OSError as error:
        raise ModelError(f"{target}: cannot be written: {error.strerror}") from None
    return model, action


def _line(name: str, model: OnnxModel, action: str, target: Path) -> str:
    report = model.accuracy
    assert report is not None  # noqa: S101 - convert_file verifies
    return (
        f"{name}: {model.description}, worst error {report.worst_error:.1e},"
        f" {max(report.fraction_of_allowed, report.logit_fraction_of_allowed):.0%} of what float32 allows;"
        f" {action} {target}"
    )


def _print_summary(count: int, failed: int) -> None:
    converted = count - failed
    summary = f"{converted} of {count} models converted and verified"
    sys.stdout.write(f"{summary}, {failed} failed\n" if failed else f"{summary}\n")
