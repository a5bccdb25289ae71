"""What `./run_benchmark.sh` and `./run_tests.sh` say where they cannot work. Run in throw-away copies, never set up."""

import fcntl
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
COPIED = ("run_benchmark.sh", "run_tests.sh", "constraints.txt", "pyproject.toml", "tox.ini", "toxfile.py", "scripts")
# A port that nobody listens on, tried once; no other source of packages.
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
    """Return a copy of what a start reads, in a folder whose name a careless script would take apart."""
    copy = tmp_path / 'it\'s a "copy" #1; $HOME %s é'
    copy.mkdir()
    for name in COPIED:
        source = CHECKOUT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy / name)
    return copy


def start(
    script: Path, variables: dict[str, str] | None = None, cwd: Path = CHECKOUT
) -> subprocess.CompletedProcess[str]:
    """Start a script with the interpreter of this test in PYTHON, unless the variables say otherwise."""
    environment = os.environ | {"PYTHON": sys.executable} | (variables or {})
    return subprocess.run([script], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=False)


def write_script(path: Path, text: str) -> None:
    """Write an executable shell script."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n", encoding="utf-8")
    path.chmod(0o755)


@SCRIPTS
def test_start_without_python_names_the_cure(checkout: Path, script: str) -> None:
    """Not even `dirname` may be needed to say that there is nothing."""
    result = start(checkout / script, {"PATH": "", "PYTHON": ""})
    assert result.returncode == 1
    assert result.stderr.startswith("runoff: found no Python on the PATH\ninstall Python 3.11 or newer")


def test_start_with_only_an_old_python_names_it(checkout: Path, tmp_path: Path) -> None:
    """A Python that is there and too old is another fault than none at all."""
    write_script(tmp_path / "bin" / "python3", "exit 1")  # which is how 3.10 answers whether it is new enough
    result = start(checkout / "run_tests.sh", {"PATH": str(tmp_path / "bin"), "PYTHON": ""})
    assert result.returncode == 1
    assert "found python3, expected a working Python 3.11 or newer" in result.stderr


def test_start_passes_over_an_old_python_for_a_newer_one(checkout: Path, tmp_path: Path) -> None:
    """On a distribution whose python3 is old, a python3.12 beside it is enough."""
    write_script(tmp_path / "bin" / "python3", "exit 1")
    (tmp_path / "bin" / "python3.12").symlink_to(sys.executable)
    (checkout / ".tox").touch()  # the first thing that Python would complain about
    result = start(checkout / "run_tests.sh", {"PATH": str(tmp_path / "bin"), "PYTHON": ""})
    assert "cannot write to" in result.stderr


def test_start_with_an_unfit_python_named_uses_no_other(checkout: Path) -> None:
    """Who names an interpreter wants that one; another one in silence would set up the wrong environment."""
    result = start(checkout / "run_tests.sh", {"PYTHON": "/no/such/python3"})
    assert result.returncode == 1
    message = (
        "runoff: PYTHON is /no/such/python3, expected a working Python 3.11 or newer; change the variable or unset it\n"
    )
    assert message == result.stderr


def test_start_without_venv_names_the_package_to_install(checkout: Path, tmp_path: Path) -> None:
    """Debian and Ubuntu ship Python with a venv that only says that it does not work."""
    (tmp_path / "venv.py").write_text("raise SystemExit('ensurepip is not available')", encoding="utf-8")
    result = start(checkout / "run_benchmark.sh", {"PYTHONPATH": str(tmp_path)})
    assert result.returncode == 1
    assert "cannot create a virtual environment\ninstall its venv module (Debian, Ubuntu: apt install" in result.stderr


def test_start_without_network_says_what_to_do(checkout: Path) -> None:
    """The first start needs a network, and pip's own words for its lack are long."""
    result = start(checkout / "run_benchmark.sh", NO_NETWORK)
    assert result.returncode == 1
    assert "runoff: pip could not install tox==" in result.stderr
    assert "if the network is the cause, connect" in result.stderr.splitlines()[-1]


def test_start_in_a_checkout_that_cannot_be_written_says_where(checkout: Path) -> None:
    """A file in the place of the folder stands for a read-only disk: the tests may run as root, who may write all."""
    (checkout / ".tox").touch()
    result = start(checkout / "run_tests.sh")
    assert result.returncode == 1
    assert f"runoff: cannot write to {checkout / '.tox'}: File exists" in result.stderr
    assert "clone into a folder that you may write to" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("name", ["a:b", "a{envname}"])
def test_start_in_a_checkout_whose_path_tools_take_apart_says_so(checkout: Path, name: str) -> None:
    """venv refuses a colon and setuptools fails at braces, with pages of words about something else."""
    result = start(checkout.rename(checkout.with_name(name)) / "run_tests.sh")
    assert result.returncode == 1
    assert result.stderr.startswith(f"runoff: there is a {name[1]} in ")


def test_start_from_a_folder_with_braces_says_so(checkout: Path, tmp_path: Path) -> None:
    """tox would fill them in and, in silence, run in a new folder of that name."""
    folder = tmp_path / "a{envname}"
    folder.mkdir()
    assert start(checkout / "run_tests.sh", cwd=folder).stderr.startswith(f"runoff: there is a {{ in {folder}")


def test_second_start_waits_for_the_first_and_says_so(checkout: Path) -> None:
    """Two starts in a fresh clone would otherwise install into each other's half-made environments."""
    (checkout / ".tox").mkdir()
    environment = os.environ | {"PYTHON": sys.executable} | NO_NETWORK
    with (checkout / ".tox" / "bootstrap.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        second = subprocess.Popen([checkout / "run_tests.sh"], env=environment, stderr=subprocess.PIPE, text=True)
        assert second.stderr
        assert second.stderr.readline() == "runoff: another start is setting up this checkout; waiting for it\n"
    assert "runoff: installing tox==" in second.stderr.readline()
    second.communicate(timeout=300)


def test_start_through_a_link_finds_the_checkout(checkout: Path, tmp_path: Path) -> None:
    """A link in a folder of the PATH is how one starts a script from everywhere."""
    (checkout / ".tox").touch()  # the first thing that would be complained about
    (tmp_path / "race").symlink_to(checkout / "run_benchmark.sh")
    assert f"cannot write to {checkout / '.tox'}" in start(tmp_path / "race").stderr
