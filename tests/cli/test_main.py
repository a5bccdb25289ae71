"""Tests of the `runoff` command itself: its version, its help page and its exit codes."""

import subprocess
import sys
from importlib import metadata

import pytest

from runoff.cli.main import COMMANDS, EXIT_OK, EXIT_USAGE, main

# Each of these libraries would make `runoff --version` slow if it were imported.
HEAVY = {"numpy", "torch", "tensorflow", "onnx", "onnxruntime", "grpc", "pytest"}


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return what `runoff ARGUMENTS --help` prints."""
    with pytest.raises(SystemExit) as exited:
        main([*arguments, "--help"])
    assert EXIT_OK == exited.value.code
    return capsys.readouterr().out


def test_version_is_that_of_the_installed_package(capsys: pytest.CaptureFixture[str]) -> None:
    """Bug reports quote the output of `runoff --version`, so it must show the version that is really installed."""
    assert EXIT_OK == main(["--version"])
    assert f"runoff {metadata.version('runoff')}\n" == capsys.readouterr().out


def test_version_is_printed_without_heavy_imports() -> None:
    """Importing PyTorch or TensorFlow takes seconds, so `runoff --version` must import neither."""
    code = (
        f"import sys; from runoff.cli.main import main; main(['--version']);print(sorted({HEAVY!r} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.startswith("runoff ")
    assert shown.endswith("\n[]\n")


def test_command_without_arguments_prints_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    """Newcomers type `runoff` alone, so it must print the help, but with the exit code of a usage error."""
    assert EXIT_USAGE == main([])
    assert capsys.readouterr().out == help_of(capsys)


def test_help_has_one_line_per_subcommand(capsys: pytest.CaptureFixture[str]) -> None:
    """The main help page must list every subcommand, but be short enough to fit on a screen."""
    lines = [line.split() for line in help_of(capsys).splitlines()]
    for name, summary in COMMANDS.items():
        assert [[name, *summary.split()]] == [line for line in lines if line[:1] == [name]]


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_subcommand_contains_an_example(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Most readers of a help page copy its example, so every subcommand's help must contain one."""
    assert f"\nexamples:\n  runoff {name} " in help_of(capsys, name)


def test_unknown_subcommand_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    """If a subcommand is mistyped, the error message must list the valid ones."""
    with pytest.raises(SystemExit) as exited:
        main(["convrt"])
    assert EXIT_USAGE == exited.value.code
    assert "'convert'" in capsys.readouterr().err
