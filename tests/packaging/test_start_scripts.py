"""The error messages of `./run_benchmark.sh` and `./run_tests.sh`, tested in temporary copies of the checkout."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runoff.files.file_lock import hold_lock
from tests.support.test_size import FULL_SIZE

CHECKOUT = Path(__file__).resolve().parents[2]
COPIED = ("run_benchmark.sh", "run_tests.sh", "constraints.txt", "pyproject.toml", "tox.ini", "toxfile.py", "scripts")
# Simulates a missing network: pip fails at once, because its only package index is a port without a server.
NO_NETWORK = {
    "PIP_CONFIG_FILE": os.devnull,
    "PIP_EXTRA_INDEX_URL": "",
    "PIP_FIND_LINKS": "",
    "PIP_INDEX_URL": "http://127.0.0.1:9",
    "PIP_RETRIES": "0",
}
SCRIPTS = pytest.mark.parametrize("script", ["run_benchmark.sh", "run_tests.sh"])


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Copy the files that a start script needs into a folder whose name contains quotes, spaces and a dollar sign."""
    copy = tmp_path / 'it\'s a "copy" #1; $HOME %s é'
    copy.mkdir()
    for name in COPIED:
        source = CHECKOUT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
    return copy


def start(
    script: Path, variables: dict[str, str] | None = None, cwd: Path = CHECKOUT
) -> subprocess.CompletedProcess[str]:
    """Run a script until it exits. Unless `variables` overrides it, PYTHON is set to the current interpreter."""
    environment = os.environ | {"PYTHON": sys.executable} | (variables or {})
    return subprocess.run([script], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


def write_script(path: Path, text: str) -> None:
    """Write an executable shell script."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


def fake_venv(folder: Path) -> dict[str, str]:
    """
    Create a fast, fake venv module, whose environments only call the current interpreter and its pip.

    Args:
        folder: An empty folder for the module.

    Returns:
        Environment variables for the script. They make pip install into a separate folder, so nothing else changes.
    """
    python = f"#!/bin/sh\nexec '{sys.executable}' \"$@\"\n"
    lines = [
        "import pathlib, sys",
        "python = pathlib.Path(sys.argv[1], 'bin', 'python')",
        "python.parent.mkdir(parents=True)",
        f"python.write_text({python!r})",
        "python.chmod(0o755)",
    ]
    (folder / "venv.py").write_text("\n".join(lines), encoding="utf-8")
    return {"PYTHONPATH": str(folder), "PIP_TARGET": str(folder / "target")}


@SCRIPTS
def test_missing_python_is_reported_with_the_cure(checkout: Path, script: str) -> None:
    """If the PATH is empty, even commands such as `dirname` are missing, so the script must work without them."""
    result = start(checkout / script, {"PATH": "", "PYTHON": ""})
    assert result.returncode == 1
    assert result.stderr.startswith("runoff: found no Python on the PATH\ninstall Python 3.11 or newer")


def test_python_that_is_too_old_is_named_in_the_error(checkout: Path, tmp_path: Path) -> None:
    """If the only Python on the PATH is too old, the error must name it: "found no Python" would be misleading."""
    write_script(tmp_path / "bin" / "python3", "exit 1")  # simulates an interpreter that is too old
    result = start(checkout / "run_tests.sh", {"PATH": str(tmp_path / "bin"), "PYTHON": ""})
    assert result.returncode == 1
    assert "found python3, expected a working Python 3.11 or newer" in result.stderr


def test_newer_python_is_found_beside_an_old_one(checkout: Path, tmp_path: Path) -> None:
    """Many Linux distributions have an old `python3` and a newer `python3.12`, which the script must find."""
    write_script(tmp_path / "bin" / "python3", "exit 1")
    (tmp_path / "bin" / "python3.12").symlink_to(sys.executable)
    (checkout / ".tox").touch()  # this file makes bootstrap.py fail; its error shows that a Python was found
    result = start(checkout / "run_tests.sh", {"PATH": str(tmp_path / "bin"), "PYTHON": ""})
    assert "cannot write to" in result.stderr


def test_unusable_interpreter_in_python_variable_is_an_error(checkout: Path) -> None:
    """If PYTHON is unusable, silently using another interpreter would create an environment that nobody asked for."""
    result = start(checkout / "run_tests.sh", {"PYTHON": "/no/such/python3"})
    assert result.returncode == 1
    message = (
        "runoff: PYTHON is /no/such/python3, expected a working Python 3.11 or newer; change the variable or unset it\n"
    )
    assert message == result.stderr


def test_missing_venv_module_is_reported_with_the_package_to_install(checkout: Path, tmp_path: Path) -> None:
    """On Debian and Ubuntu, venv does not work without an extra package, so the error message must name it."""
    (tmp_path / "venv.py").write_text("raise SystemExit('ensurepip is not available')", encoding="utf-8")
    result = start(checkout / "run_benchmark.sh", {"PYTHONPATH": str(tmp_path)})
    assert result.returncode == 1
    assert "cannot create a virtual environment\ninstall its venv module (Debian, Ubuntu: apt install" in result.stderr


def test_missing_network_is_reported_with_the_cure(checkout: Path, tmp_path: Path) -> None:
    """pip's own messages about a missing network are long and unclear, so the script must add a likely remedy."""
    variables = NO_NETWORK if FULL_SIZE else NO_NETWORK | fake_venv(tmp_path)
    result = start(checkout / "run_benchmark.sh", variables)
    assert result.returncode == 1
    assert "runoff: pip could not install tox==" in result.stderr
    assert "if the network is the cause, connect" in result.stderr.splitlines()[-1]


def test_read_only_checkout_is_named_in_the_error(checkout: Path) -> None:
    """A file called .tox simulates a read-only checkout, because root, who may run the tests, can write anywhere."""
    (checkout / ".tox").touch()
    result = start(checkout / "run_tests.sh")
    assert result.returncode == 1
    assert f"runoff: cannot write to {checkout / '.tox'}: File exists" in result.stderr
    assert "clone into a folder that you may write to" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["a:b", "a{envname}"])
def test_unsupported_character_in_the_path_of_the_checkout_is_an_error(checkout: Path, name: str) -> None:
    """venv rejects a path with colons, setuptools one with braces. Their long messages do not show the cause."""
    result = start(checkout.rename(checkout.with_name(name)) / "run_tests.sh")
    assert result.returncode == 1
    assert result.stderr.startswith(f"runoff: there is a {name[1]} in ")


def test_brace_in_the_path_of_the_working_folder_is_an_error(checkout: Path, tmp_path: Path) -> None:
    """tox would replace {envname} in the folder's path and silently run in a new folder with a different name."""
    folder = tmp_path / "a{envname}"
    folder.mkdir()
    assert start(checkout / "run_tests.sh", cwd=folder).stderr.startswith(f"runoff: there is a {{ in {folder}")


def test_second_start_reports_that_it_waits_for_the_first(checkout: Path, tmp_path: Path) -> None:
    """In a fresh clone, two scripts started at once would otherwise install into the same environment."""
    (checkout / ".tox").mkdir()
    # With this broken venv module, the script stops soon after it acquires the lock.
    (tmp_path / "venv.py").write_text("raise SystemExit(1)", encoding="utf-8")
    environment = os.environ | {"PYTHON": sys.executable, "PYTHONPATH": str(tmp_path)}
    with hold_lock(checkout / ".tox" / "bootstrap.lock"):
        second = subprocess.Popen([checkout / "run_tests.sh"], env=environment, stderr=subprocess.PIPE, text=True)
        assert second.stderr
        assert second.stderr.readline() == "runoff: another start is setting up this checkout; waiting for it\n"
    assert "runoff: installing tox==" in second.stderr.readline()
    second.communicate(timeout=300)


def test_start_through_a_link_finds_the_checkout(checkout: Path, tmp_path: Path) -> None:
    """Users may link to a script from a folder in their PATH, so the script must follow the link to its checkout."""
    (checkout / ".tox").touch()  # this file makes bootstrap.py fail; its error contains the checkout's path
    (tmp_path / "link").symlink_to(checkout / "run_benchmark.sh")
    assert f"cannot write to {checkout / '.tox'}" in start(tmp_path / "link").stderr
