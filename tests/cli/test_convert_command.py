"""`runoff convert` prints one line per model, returns the right exit code, and leaves no partial or stale files."""

import os
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from runoff.cli.main import main
from runoff.conversion import DEFAULT_OPSET, convert
from runoff.files.cache_folder import CACHE_DIR_VARIABLE
from runoff.models import go_json_writer
from runoff.models.mlp import Kind, Mlp
from tests.support.models import random_mlp


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder that contains two model files, one of a policy network and one of a value network."""
    folder = tmp_path / "models"
    folder.mkdir()
    save(folder / "p.model", random_mlp())
    save(folder / "v.model", random_mlp(Kind.VALUE))
    return folder


def save(path: Path, mlp: Mlp) -> Path:
    """Write a network to a model file and return the file's path."""
    path.write_bytes(go_json_writer.encode(mlp))
    return path


def run(*arguments: object) -> int:
    """Run `runoff convert ARGUMENTS` in this process and return its exit code."""
    return main(["convert", *map(str, arguments)])


def test_each_model_becomes_a_verified_file_and_a_line(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The line printed for each model shows its worst error, so that the user can judge the conversion."""
    assert 0 == run(models, "-o", models / "out")
    assert convert(random_mlp()).onnx == (models / "out" / "p.onnx").read_bytes()
    first, second, summary = capsys.readouterr().out.splitlines()
    assert first.startswith("p: policy 5→7→3, worst error ")
    assert second.startswith("v: value 5→7→1, worst error ")
    assert "of what float32 allows; wrote " in first
    assert "2 of 2 models converted and verified" == summary


def test_file_is_written_next_to_its_model_by_default(models: Path) -> None:
    """Users look for the ONNX file next to its model file, so that folder is the default."""
    run(models / "p.model")
    assert ["p.model", "p.onnx", "v.model"] == sorted(path.name for path in models.iterdir())


def test_failing_model_does_not_stop_the_others(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If one of 294 model files is broken, the other 293 must still be converted."""
    (models / "bad.model").write_text("{}")
    assert 1 == run(models, "-o", models / "out")
    assert ["p.onnx", "v.onnx"] == sorted(path.name for path in (models / "out").iterdir())
    shown = capsys.readouterr()
    assert f"runoff convert: {models / 'bad.model'}: the key inputSize is missing\n" == shown.err
    assert shown.out.endswith("2 of 3 models converted and verified, 1 failed\n")


def test_model_that_fails_parity_leaves_no_file(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Users assume that an existing .onnx file was verified, so a model that fails verification must leave no file."""
    mlp = random_mlp()
    large = Mlp(mlp.kind, mlp.weights_hidden * 1e30, mlp.biases_hidden, mlp.weights_output * 1e30, mlp.biases_output)
    path = save(models / "large.model", large)
    assert 1 == run(path, "-o", models / "out")
    assert [] == list((models / "out").iterdir())
    assert capsys.readouterr().err.startswith(f"runoff convert: {path}: policy 5→7→3, batch size 1, logits: ")


def test_model_of_another_kind_is_an_error(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Scripts rely on --kind to reject value networks, which must also work if the conversion is already cached."""
    run(models, "-o", models / "out")
    assert 1 == run(models, "-o", models / "policies", "--kind", "policy")
    assert ["p.onnx"] == [path.name for path in (models / "policies").iterdir()]
    assert "v.model: is a value network, expected a policy network" in capsys.readouterr().err


def test_opset_option_sets_the_opset_of_the_file(models: Path) -> None:
    """Older runtimes do not support the default opset, so users must be able to choose an older opset."""
    run(models / "p.model", "--opset", "20")
    assert 20 == onnx.load(models / "p.onnx").opset_import[0].version
    assert 20 != DEFAULT_OPSET


def test_opset_zero_is_a_usage_error(models: Path) -> None:
    """Importing PyTorch takes seconds, so an invalid opset must be reported before the import."""
    assert 2 == run(models, "--opset", "0")


def test_up_to_date_file_is_left_unchanged(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Build tools compare modification times, so rewriting an unchanged file would trigger needless rebuilds."""
    run(models / "p.model")
    before = (models / "p.onnx").stat().st_mtime_ns
    assert 0 == run(models / "p.model")
    assert before == (models / "p.onnx").stat().st_mtime_ns
    assert "; unchanged " in capsys.readouterr().out


def test_file_of_an_older_version_of_the_model_is_replaced(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If the ONNX file of a retrained model were not replaced, the benchmark would time the old network."""
    run(models / "p.model")
    save(models / "p.model", random_mlp(seed=1))
    assert 0 == run(models / "p.model")
    assert convert(random_mlp(seed=1)).onnx == (models / "p.onnx").read_bytes()
    assert "; replaced " in capsys.readouterr().out


def test_file_that_runoff_did_not_write_is_not_overwritten(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An ONNX file that runoff did not write may be the user's only copy, so it must not be overwritten."""
    (models / "p.onnx").write_bytes(b"mine")
    assert 1 == run(models / "p.model")
    assert b"mine" == (models / "p.onnx").read_bytes()
    assert "p.onnx: exists and was not written by runoff; overwrite it with --force" in capsys.readouterr().err


def test_force_overwrites_a_file_that_runoff_did_not_write(models: Path) -> None:
    """The error message about an existing ONNX file recommends --force, so --force must overwrite the file."""
    (models / "p.onnx").write_bytes(b"mine")
    assert 0 == run(models / "p.model", "--force")
    assert convert(random_mlp()).onnx == (models / "p.onnx").read_bytes()


def test_force_converts_again_and_replaces_cached_entries(models: Path, own_cache_folder: Path) -> None:
    """Users pass --force when they suspect that the cache is wrong, so --force must not reuse cached entries."""
    run(models / "p.model")
    entries = {path: path.stat().st_mtime_ns for path in (own_cache_folder / "conversions").iterdir()}
    run(models / "p.model", "--force")
    renewed = [path for path, before in entries.items() if path.stat().st_mtime_ns != before]
    assert 2 <= len(renewed)


def test_folder_that_cannot_be_created_is_a_usage_error(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An unusable output folder must be reported at once, not after minutes of converting models."""
    assert 2 == run(models, "-o", models / "p.model" / "out")
    assert "cannot be created" in capsys.readouterr().err


def test_folder_in_the_outputs_place_fails_that_model_only(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """If a folder already has the ONNX file's name, it must be kept, and other models must still be converted."""
    (models / "p.onnx").mkdir()
    assert 1 == run(models, "--force")
    assert (models / "v.onnx").is_file()
    assert "p.onnx: is a folder, expected a file" in capsys.readouterr().err


def test_same_model_twice_is_an_error_before_anything_is_written(models: Path) -> None:
    """If a model file could be given twice, its second conversion would overwrite the ONNX file of the first."""
    assert 1 == run(models / "p.model", models)
    assert ["p.model", "v.model"] == sorted(path.name for path in models.iterdir())


def test_path_may_contain_spaces_and_newlines(tmp_path: Path) -> None:
    """Users may give model files any name. Only the output file's name is restricted to safe characters."""
    path = save(tmp_path / "my net\nof today.model", random_mlp())
    assert 0 == run(path)
    assert (tmp_path / "my_net_of_today.onnx").is_file()


def test_warning_of_an_ill_conditioned_model_is_shown(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """For an ill-conditioned model, the user must be warned that float32 rounding can change its outputs."""
    mlp = random_mlp()
    weights = mlp.weights_output.copy() * 1e7
    weights[1] = weights[0]
    path = save(models / "ill.model", Mlp(mlp.kind, mlp.weights_hidden, mlp.biases_hidden, weights, mlp.biases_output))
    assert 0 == run(path)
    assert f"runoff convert: warning: {path}: float32 rounding may change a probability" in capsys.readouterr().err


def test_no_progress_bar_if_stderr_is_not_a_terminal(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A progress bar prints carriage returns, which would make a log file unreadable."""
    run(models)
    assert "" == capsys.readouterr().err


def test_ascii_output_is_not_an_error(models: Path, own_cache_folder: Path) -> None:
    """Many CI machines use ASCII output, so the arrow in `5→7→3` must not make the conversion fail."""
    run(models / "p.model")  # Fill the cache, so that the new process need not import torch.
    environment = os.environ | {CACHE_DIR_VARIABLE: str(own_cache_folder), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "runoff", "convert", str(models / "p.model")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (0, "") == (ended.returncode, ended.stderr)
    assert "p: policy 5?7?3" in ended.stdout


# A process started by a background shell ignores SIGINT, so this script restores Python's default handler. The
# script interrupts itself when the fifth file is flushed to disk, so the test does not depend on the machine's speed.
INTERRUPTED_AT_FIFTH_FILE = """
import itertools, os, signal, sys
from runoff.cli.main import main

signal.signal(signal.SIGINT, signal.default_int_handler)
count, fsync = itertools.count(1), os.fsync

def flush(descriptor):
    if next(count) == 5:
        signal.raise_signal(signal.SIGINT)
    fsync(descriptor)

os.fsync = flush
sys.exit(main())
"""


def test_interrupt_leaves_complete_files_and_prints_one_line(models: Path, own_cache_folder: Path) -> None:
    """Ctrl-C during a conversion must give exit code 130 without a traceback, and must not leave a partial file."""
    for seed in range(8):
        save(models / f"n{seed}.model", random_mlp(seed=seed))
    run(models / "p.model", models / "v.model", "-o", models / "warm")  # Fill the cache with templates.
    out = models / "out"
    ended = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_AT_FIFTH_FILE, "convert", str(models), "-o", str(out)],
        env=os.environ | {CACHE_DIR_VARIABLE: str(own_cache_folder)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (130, "runoff convert: interrupted\n") == (ended.returncode, ended.stderr)
    expected = {f"n{seed}.onnx": convert(random_mlp(seed=seed)).onnx for seed in range(5)}
    assert expected == {path.name: path.read_bytes() for path in out.iterdir()}
