"""`runoff convert`: every model gets its line and its exit code its meaning; no file is ever half written or stale."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import onnx
import pytest

from runoff.cli.main import main
from runoff.conversion import DEFAULT_OPSET, convert
from runoff.models import go_json_writer
from runoff.models.mlp import Kind, Mlp
from tests.support.models import random_mlp


@pytest.fixture
def models(tmp_path: Path) -> Path:
    """A folder with a policy and a value network."""
    folder = tmp_path / "models"
    folder.mkdir()
    save(folder / "p.model", random_mlp())
    save(folder / "v.model", random_mlp(Kind.VALUE))
    return folder


def save(path: Path, mlp: Mlp) -> Path:
    path.write_bytes(go_json_writer.encode(mlp))
    return path


def run(*words: object) -> int:
    return main(["convert", *map(str, words)])


def test_each_model_becomes_a_verified_file_and_a_line(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What the command is for."""
    assert 0 == run(models, "-o", models / "out")
    assert convert(random_mlp()).onnx == (models / "out" / "p.onnx").read_bytes()
    first, second, summary = capsys.readouterr().out.splitlines()
    assert first.startswith("p: policy 5→7→3, worst error ")
    assert second.startswith("v: value 5→7→1, worst error ")
    assert "of what float32 allows; wrote " in first
    assert "2 of 2 models converted and verified" == summary


def test_file_goes_beside_its_model_unless_told_otherwise(models: Path) -> None:
    """Where a user looks first."""
    run(models / "p.model")
    assert ["p.model", "p.onnx", "v.model"] == sorted(path.name for path in models.iterdir())


def test_failing_model_does_not_stop_the_others(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One bad file of 294 must not cost the other 293."""
    (models / "bad.model").write_text("{}")
    assert 1 == run(models, "-o", models / "out")
    assert ["p.onnx", "v.onnx"] == sorted(path.name for path in (models / "out").iterdir())
    shown = capsys.readouterr()
    assert f"runoff convert: {models / 'bad.model'}: the key inputSize is missing\n" == shown.err
    assert shown.out.endswith("2 of 3 models converted and verified, 1 failed\n")


def test_model_that_fails_parity_leaves_no_file(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file that exists is taken for a verified one. This network overflows float32."""
    mlp = random_mlp()
    large = Mlp(mlp.kind, mlp.weights_hidden * 1e30, mlp.biases_hidden, mlp.weights_output * 1e30, mlp.biases_output)
    path = save(models / "large.model", large)
    assert 1 == run(path, "-o", models / "out")
    assert [] == list((models / "out").iterdir())
    assert capsys.readouterr().err.startswith(f"runoff convert: {path}: policy 5→7→3: logit ")


def test_other_kind_than_asserted_is_an_error(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """--kind is for scripts that must not take a value network for a policy, from the cache or not."""
    run(models, "-o", models / "out")
    assert 1 == run(models, "-o", models / "policies", "--kind", "policy")
    assert ["p.onnx"] == [path.name for path in (models / "policies").iterdir()]
    assert "v.model: is a value network, expected a policy network" in capsys.readouterr().err


def test_opset_is_passed_on(models: Path) -> None:
    """An option that does nothing is worse than none."""
    run(models / "p.model", "--opset", "20")
    assert 20 == onnx.load(models / "p.onnx").opset_import[0].version
    assert 20 != DEFAULT_OPSET


def test_opset_zero_is_a_usage_error(models: Path) -> None:
    """Told before anything runs."""
    assert 2 == run(models, "--opset", "0")


def test_right_file_is_left_alone(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Build tools look at times: an unchanged model must not trigger what depends on it."""
    run(models / "p.model")
    before = (models / "p.onnx").stat().st_mtime_ns
    assert 0 == run(models / "p.model")
    assert before == (models / "p.onnx").stat().st_mtime_ns
    assert "; unchanged " in capsys.readouterr().out


def test_file_of_the_models_former_self_is_replaced(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """After retraining, a stale file would be benchmarked for the new network."""
    run(models / "p.model")
    save(models / "p.model", random_mlp(seed=1))
    assert 0 == run(models / "p.model")
    assert convert(random_mlp(seed=1)).onnx == (models / "p.onnx").read_bytes()
    assert "; replaced " in capsys.readouterr().out


def test_file_that_runoff_did_not_make_is_not_overwritten(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It may be the only copy of somebody's work."""
    (models / "p.onnx").write_bytes(b"mine")
    assert 1 == run(models / "p.model")
    assert b"mine" == (models / "p.onnx").read_bytes()
    assert "p.onnx: is there already and runoff did not make it; replace it with --force" in capsys.readouterr().err


def test_force_overwrites_a_file_that_runoff_did_not_make(models: Path) -> None:
    """The cure that the message names must work."""
    (models / "p.onnx").write_bytes(b"mine")
    assert 0 == run(models / "p.model", "--force")
    assert convert(random_mlp()).onnx == (models / "p.onnx").read_bytes()


def test_force_converts_anew_and_replaces_the_cached(models: Path, own_cache_folder: Path) -> None:
    """--force is what one tries when one does not believe the cache."""
    run(models / "p.model")
    entries = {path: path.stat().st_mtime_ns for path in (own_cache_folder / "conversions").iterdir()}
    run(models / "p.model", "--force")
    renewed = [path for path, before in entries.items() if path.stat().st_mtime_ns != before]
    assert 2 <= len(renewed)


def test_folder_that_cannot_be_made_is_a_usage_error(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Found out before minutes of work, not after."""
    assert 2 == run(models, "-o", models / "p.model" / "out")
    assert "cannot be made" in capsys.readouterr().err


def test_folder_in_the_outputs_place_fails_that_model_only(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whatever lies there, it stays and is named."""
    (models / "p.onnx").mkdir()
    assert 1 == run(models, "--force")
    assert (models / "v.onnx").is_file()
    assert "p.onnx: is a folder, expected a file" in capsys.readouterr().err


def test_same_model_twice_is_an_error_before_anything_is_written(models: Path) -> None:
    """One would overwrite the other."""
    assert 1 == run(models / "p.model", models)
    assert ["p.model", "v.model"] == sorted(path.name for path in models.iterdir())


def test_path_with_spaces_and_newlines_is_taken_as_it_is(tmp_path: Path) -> None:
    """File names are the user's choice; the output's is made safe."""
    path = save(tmp_path / "my net\nof today.model", random_mlp())
    assert 0 == run(path)
    assert (tmp_path / "my_net_of_today.onnx").is_file()


def test_warning_of_an_ill_conditioned_model_is_shown(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The model converts, yet its user must know that float32 matters."""
    mlp = random_mlp()
    weights = mlp.weights_output.copy() * 1e7
    weights[1] = weights[0]
    path = save(models / "ill.model", Mlp(mlp.kind, mlp.weights_hidden, mlp.biases_hidden, weights, mlp.biases_output))
    assert 0 == run(path)
    assert f"runoff convert: warning: {path}: float32 alone may move a probability" in capsys.readouterr().err


def test_no_bar_where_stderr_is_no_terminal(models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A log full of carriage returns is unreadable."""
    run(models)
    assert "" == capsys.readouterr().err


def test_locale_without_arrows_is_no_error(models: Path, own_cache_folder: Path) -> None:
    """Many CI machines still log in ASCII; a conversion must not fail for an arrow in its line."""
    run(models / "p.model")  # so that the process needs no torch
    environment = os.environ | {"RUNOFF_CACHE_DIR": str(own_cache_folder), "PYTHONIOENCODING": "ascii"}
    command = [sys.executable, "-m", "runoff", "convert", str(models / "p.model")]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (0, "") == (ended.returncode, ended.stderr)
    assert "p: policy 5?7?3" in ended.stdout


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")
def test_interrupt_leaves_whole_files_and_one_line(models: Path, own_cache_folder: Path) -> None:
    """Ctrl-C in the middle: exit code 130, no traceback, nothing half written."""
    for seed in range(300):
        save(models / f"n{seed:03}.model", random_mlp(seed=seed))
    run(models / "p.model", models / "v.model", "-o", models / "warm")  # so that the process needs no torch
    out = models / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "runoff", "convert", str(models), "-o", str(out)],
        env=os.environ | {"RUNOFF_CACHE_DIR": str(own_cache_folder), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, complaint = process.communicate()
    assert (130, "runoff convert: interrupted\n") == (process.returncode, complaint)
    written = {path.name: path.read_bytes() for path in out.iterdir()}
    assert 1 <= len(written) < 302
    for seed in range(300):
        name = f"n{seed:03}.onnx"
        assert written.pop(name, None) in (None, convert(random_mlp(seed=seed)).onnx)
    assert set(written) <= {"p.onnx", "v.onnx"}
