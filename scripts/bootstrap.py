"""
Install what is missing inside this checkout, then run tox: bootstrap.py benchmark|tests [pytest options].

This script uses only the standard library. It creates a small environment with tox in .tox/bootstrap, lets tox create
the large environment, and then replaces its own process with tox. `tox.ini` defines the commands that tox runs. A lock
makes a second start in the same checkout wait until the first has finished the set-up.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

CHECKOUT = Path(__file__).resolve().parents[1]
TOX_FOLDER = CHECKOUT / ".tox"
BOOTSTRAP = TOX_FOLDER / "bootstrap"
BOOTSTRAP_PYTHON = BOOTSTRAP / "bin" / "python"
# The set-up is repeated if one of these files, the interpreter or RUNOFF_EXTRA has changed since the last set-up.
SET_UP_FILES = ("constraints.txt", "pyproject.toml", "tox.ini", "toxfile.py")
# The tox environments that run if the user gives no pytest options.
DEFAULT_ENVIRONMENTS = {"benchmark": ["benchmark"], "tests": ["lint", "types", "tests"]}
# The tests that pytest runs if the user names none.
DEFAULT_TESTS = {"benchmark": "tests/perf", "tests": "tests"}
INSTALL_CURE = (
    "see the messages above; if the network is the cause, connect or set PIP_INDEX_URL to an index within reach,"
    " then start again"
)


def main(job: str, options: Sequence[str]) -> NoReturn:
    """
    Install what is missing while holding the lock, then replace this process with tox.

    Args:
        job: `benchmark` or `tests`.
        options: The pytest options that the user gave.
    """
    # If the user gives pytest options, run pytest alone, because the options do not apply to lint and type checks.
    environments = [job] if options else DEFAULT_ENVIRONMENTS[job]
    refuse_unsupported_paths()
    try:
        with lock():
            set_up_tox()
            set_up_environments(environments)
    except OSError as error:
        stop(
            f"cannot write to {error.filename or TOX_FOLDER}: {error.strerror}",
            f"everything is installed in {TOX_FOLDER}; make it writable, or clone into a folder that you may write to",
        )
    sys.stdout.flush()
    command = [*tox_command(environments), "--", *pytest_arguments(job, options)]
    os.execve(BOOTSTRAP_PYTHON, command, tox_variables())  # noqa: S606 - starts without a shell on purpose


def refuse_unsupported_paths() -> None:
    """Stop if a path contains a colon, which is the separator in PATH, or a brace, which tox would substitute."""
    for folder, character in ((CHECKOUT, os.pathsep), (CHECKOUT, "{"), (Path.cwd(), "{")):
        if character in str(folder):
            stop(f"there is a {character} in {folder}, which tox does not support", "rename it or use another folder")


def pytest_arguments(job: str, options: Sequence[str]) -> list[str]:
    """Return pytest's arguments: the user's options, preceded by the default tests if the options name no tests."""
    default = [] if any(names_tests(option) for option in options) else [DEFAULT_TESTS[job]]
    if Path.cwd() == CHECKOUT:
        return [*default, *options]
    # pytest runs in the folder that the script was called from, so that relative paths in the user's options work. It
    # therefore needs absolute paths to the files of the checkout.
    return [
        f"--config-file={CHECKOUT / 'pyproject.toml'}",
        f"--benchmark-storage=file://{CHECKOUT / '.benchmarks'}",
        *(str(CHECKOUT / path) for path in default),
        *options,
    ]


def names_tests(argument: str) -> bool:
    """Return whether a pytest argument names a folder or module below tests/, with or without a `::test` at its end."""
    path = Path(argument.partition("::")[0]).resolve()
    is_test = path.is_dir() or (path.is_file() and path.suffix == ".py")
    return is_test and path.is_relative_to(CHECKOUT / "tests")


@contextmanager
def lock() -> Iterator[None]:
    """Hold the checkout's set-up lock; report if another process holds it. The lock is released if its holder dies."""
    TOX_FOLDER.mkdir(exist_ok=True)
    with (TOX_FOLDER / "bootstrap.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            report("another start is setting up this checkout; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        # Let pip and tox inherit the lock: if only this process is killed, they hold the lock until they end.
        os.set_inheritable(file.fileno(), True)
        yield


def set_up_tox() -> None:
    """Create the small environment with tox, unless it exists and contains the pinned version of tox."""
    constraints = CHECKOUT / "constraints.txt"
    pin = re.search(r"(?m)^tox==\S+", constraints.read_text(encoding="utf-8"))
    assert pin, "constraints.txt pins no tox"  # noqa: S101
    done = BOOTSTRAP / "runoff.done"
    recipe = f"{pin[0]} {CHECKOUT} {sys.version}"
    if BOOTSTRAP_PYTHON.exists() and done.exists() and done.read_text(encoding="utf-8") == recipe:
        return
    if not sys.executable:
        stop("this Python does not report its own path", "set PATH, or set PYTHON to a full path: /path/to/python3")
    report(f"installing {pin[0]} into {BOOTSTRAP}")
    shutil.rmtree(BOOTSTRAP, ignore_errors=True)
    run_or_stop(
        [sys.executable, "-m", "venv", str(BOOTSTRAP)],
        f"{sys.executable} cannot create a virtual environment",
        "install its venv module (Debian, Ubuntu: apt install python3-venv), or set PYTHON to another Python",
    )
    run_or_stop(
        [str(BOOTSTRAP_PYTHON), "-m", "pip", "install", "-q", "--constraint", str(constraints), pin[0]],
        f"pip could not install {pin[0]}",
        INSTALL_CURE,
    )
    done.write_text(recipe, encoding="utf-8")


def set_up_environments(environments: Sequence[str]) -> None:
    """Let tox install the packages of the environments that have changed since their last set-up."""
    digest = set_up_digest()
    missing = [name for name in environments if not is_set_up(name, digest)]
    if not missing:
        return
    report(f"setting up {', '.join(missing)} in {TOX_FOLDER}; the first time takes minutes")
    run_or_stop(
        # Without -qq, tox would print a summary that lists lint and tests as passed although they have not run yet.
        [*tox_command(missing), "-qq", "--notest"],
        "the set-up failed",
        INSTALL_CURE,
    )
    for name in missing:
        done_file(name).write_text(digest, encoding="utf-8")


def set_up_digest() -> str:
    """Return a digest of everything that determines which packages are installed, and into which folder."""
    digest = hashlib.sha256(f"{CHECKOUT} {sys.version} {os.environ.get('RUNOFF_EXTRA')}".encode())
    for name in SET_UP_FILES:
        digest.update((CHECKOUT / name).read_bytes())
    return digest.hexdigest()


def is_set_up(environment: str, digest: str) -> bool:
    """Return whether the environment's last set-up had this digest, so that nothing has to be installed."""
    return done_file(environment).exists() and done_file(environment).read_text(encoding="utf-8") == digest


def done_file(environment: str) -> Path:
    """Return the file that stores the digest of an environment's last successful set-up."""
    return TOX_FOLDER / f"{environment}.done"


def tox_command(environments: Sequence[str]) -> list[str]:
    """Return the tox command that runs the environments; tox prints a summary only if there is more than one."""
    verbosity = "-qq" if len(environments) == 1 else "-q"
    tox = [str(BOOTSTRAP_PYTHON), "-m", "tox"]
    return [*tox, "run", verbosity, "-c", str(CHECKOUT / "tox.ini"), "-e", ",".join(environments)]


def tox_variables() -> dict[str, str]:
    """Return the environment for tox: the current one without an outer tox's variables, plus the caller's folder."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("TOX_")}
    return variables | {"RUNOFF_STARTED_IN": str(Path.cwd())}


def run_or_stop(command: Sequence[str], failure: str, cure: str) -> None:
    """Run a command; if it fails, print the failure and the cure, and exit."""
    with subprocess.Popen(command, env=tox_variables(), close_fds=False) as process:  # noqa: S603
        try:
            process.wait()
        except KeyboardInterrupt:
            # Ctrl-C also interrupted tox and pip. Wait for their end, or they would write files during the next set-up.
            process.wait()
            raise
    if process.returncode:
        stop(failure, cure)


def stop(failure: str, cure: str) -> NoReturn:
    """Print the failure and its cure, and exit with 1."""
    report(f"{failure}\n{cure}")
    sys.exit(1)


def report(message: str) -> None:
    """Print a message to standard error immediately."""
    print(f"runoff: {message}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2:])
    except KeyboardInterrupt:
        report("interrupted; the next start continues the set-up")
        sys.exit(130)
