"""`runoff convert`: convert model files to verified ONNX files. If one model fails, convert the others anyway."""

import argparse
import functools
import gc
import os
import sys
from pathlib import Path

from tqdm import tqdm

from runoff.conversion import DEFAULT_OPSET, ConversionCache, OnnxModel, convert_file
from runoff.errors import ModelError, RunoffError, UsageError
from runoff.files.atomic_file import write_atomically
from runoff.files.untrusted_file import read_bytes
from runoff.models import model_files
from runoff.models.mlp import Kind

# Every ONNX file that runoff writes contains this metadata key. The key is repeated here, not imported from
# runoff.conversion.graph (DIGEST_PROPERTY), because that module imports the large package onnx.
_OWN_MARK = b"runoff.digest"
_MAX_OWN_BYTES = 2**30
NOTES = """\
Up-to-date .onnx files are left unchanged. An .onnx file that runoff wrote from
an older model is replaced; any other existing file is replaced only with --force.

examples:
  runoff convert fixtures/models
  runoff convert 'trained/*_policy.model' --kind policy -o onnx
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `runoff convert`."""
    parser.add_argument("models", nargs="+", metavar="MODEL", help="model files (*.model), folders or globs")
    parser.add_argument("-o", "--output", metavar="DIR", help="folder for .onnx files (default: next to each model)")
    parser.add_argument("--kind", choices=[str(kind) for kind in Kind], help="reject models of a different kind")
    parser.add_argument(
        "--opset", type=int, default=DEFAULT_OPSET, help=f"ONNX operator set to write (default: {DEFAULT_OPSET})"
    )
    parser.add_argument(
        "--force",
        action="store_true",
        help="ignore cached conversions, and overwrite .onnx files that runoff did not write",
    )
    parser.epilog = NOTES


def run(arguments: argparse.Namespace) -> int:
    """Convert every model and return the exit code: 0 if all models were converted and verified, otherwise 1."""
    if arguments.opset < 1:
        raise UsageError(f"--opset {arguments.opset}: expected a positive number such as {DEFAULT_OPSET}")
    models = model_files.find(arguments.models)
    folder = _prepared_folder(arguments.output)
    kind = Kind(arguments.kind) if arguments.kind else None
    convert = functools.partial(
        convert_file, opset=arguments.opset, cache=ConversionCache(), kind=kind, fresh=arguments.force
    )
    failed = 0
    # Turn garbage collection off: PyTorch and its exporter create millions of long-lived objects, and scanning them
    # again and again takes 7 % of the time needed to convert 294 models.
    gc.disable()
    # With disable=None, tqdm shows a progress bar only if stderr is a terminal.
    with tqdm(models.items(), unit="model", disable=None, leave=False, file=sys.stderr) as bar:
        for name, path in bar:
            target = (folder or path.parent) / f"{name}.onnx"
            try:
                model = convert(path)
                action = _write(target, model.onnx, force=arguments.force)
            except RunoffError as error:
                failed += 1
                bar.write(f"runoff convert: {error}", file=sys.stderr)
                continue
            bar.write(_result_line(name, model, action, target), file=sys.stdout)
            if model.accuracy and model.accuracy.warning:
                bar.write(f"runoff convert: warning: {path}: {model.accuracy.warning}", file=sys.stderr)
    gc.enable()
    summary = f"{len(models) - failed} of {len(models)} models converted and verified"
    sys.stdout.write(f"{summary}, {failed} failed\n" if failed else f"{summary}\n")
    return 1 if failed else 0


def _prepared_folder(name: str | None) -> Path | None:
    """Create the --output folder if it is missing, and return it. Raise UsageError if the folder is not writable."""
    if name is None:
        return None
    folder = Path(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"--output {folder}: cannot be created: {error.strerror}; name another folder") from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise UsageError(f"--output {folder}: cannot be written; name another folder")
    return folder


def _write(target: Path, content: bytes, *, force: bool) -> str:
    """Write an ONNX file and return `wrote`, `replaced` or `unchanged`. `force` overwrites even a user's own file."""
    action = "wrote"
    if os.path.lexists(target):
        existing = read_bytes(target, _MAX_OWN_BYTES)
        if existing == content and not force:
            return "unchanged"
        if _OWN_MARK not in existing and not force:
            raise ModelError(
                f"{target}: exists and was not written by runoff;"
                " overwrite it with --force, or name another folder with -o"
            )
        action = "replaced"
    try:
        write_atomically(target, content)
    except OSError as error:
        raise ModelError(f"{target}: cannot be written: {error.strerror}") from None
    return action


def _result_line(name: str, model: OnnxModel, action: str, target: Path) -> str:
    report = model.accuracy
    assert report is not None  # noqa: S101 - convert_file verifies every model
    return (
        f"{name}: {model.description}, worst error {report.outputs.worst_error:.1e},"
        f" {report.fraction_of_allowed:.0%} of what float32 allows; {action} {target}"
    )
