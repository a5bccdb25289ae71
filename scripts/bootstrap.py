"""
Set up what is missing inside this checkout, then hand over to tox: bootstrap.py benchmark|tests [pytest options].

Knows nothing but the standard library: it makes the small environment that holds tox (.tox/bootstrap), has tox make the
big one, and replaces itself by tox. `tox.ini` says what is run. A lock makes a second start wait for the first.
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
# A change in one of these, in the interpreter or in the chosen extra may change what has to be installed.
RECIPE = ("constraints.txt", "pyproject.toml", "tox.ini", "toxfile.py")
# What a start without pytest options runs, which environments that needs, and what pytest runs by default.
PLAIN_RUN = {"benchmark": ["benchmark"], "tests": ["lint", "types", "tests"]}
DEFAULT_PATH = {"benchmark": "tests/perf", "tests": "tests"}
INSTALL_CURE = "see above; without a network, connect or name an index within reach (PIP_INDEX_URL), then start again"


def main(job: str, options: Sequence[str]) -> NoReturn:
    """
    Set up under the lock, then become tox.

    Args:
        job: `benchmark` or `tests`.
        options: The user's words for pytest.
    """
    # Asked for a part of the tests, or to run them differently, the user wants neither lint nor types.
    environments = [job] if options else PLAIN_RUN[job]
    refuse_unbearable_paths()
    try:
        with lock():
            set_up_tox()
            set_up_environments(environments)
    except OSError as error:
        stop(
            f"cannot write to {error.filename or TOX_FOLDER}: {error.strerror}",
            f"everything is installed in {TOX_FOLDER}; make that writable, or clone to where you may write",
        )
    sys.stdout.flush()
    words = [*tox_words(environments), "--", *pytest_words(job, options)]
    os.execve(BOOTSTRAP_PYTHON, words, environment_of_tox())  # noqa: S606 - no shell is wanted


def refuse_unbearable_paths() -> None:
    """Stop where a path would be taken apart: by PATH at a colon, by setuptools and tox at braces."""
    for folder, character in ((CHECKOUT, os.pathsep), (CHECKOUT, "{"), (Path.cwd(), "{")):
        if character in str(folder):
            stop(f"there is a {character} in {folder}, which tox cannot bear", "rename that folder or use another")


def pytest_words(job: str, options: Sequence[str]) -> list[str]:
    """Return what pytest is given: the default path unless the user names tests, the user's words as they are."""
    default = [] if any(names_tests(word) for word in options) else [DEFAULT_PATH[job]]
    if Path.cwd() == CHECKOUT:
        return [*default, *options]
    # pytest stays in the caller's folder, so that the user's relative paths mean what they say; what belongs to the
    # checkout is said in full.
    return [
        f"--config-file={CHECKOUT / 'pyproject.toml'}",
        f"--benchmark-storage=file://{CHECKOUT / '.benchmarks'}",
        *(str(CHECKOUT / path) for path in default),
        *options,
    ]


def names_tests(word: str) -> bool:
    """Return whether a word is the path of tests of this checkout: a folder or a module, perhaps with ::test."""
    path = Path(word.partition("::")[0]).resolve()
    is_test = path.is_dir() or (path.is_file() and path.suffix == ".py")
    return is_test and path.is_relative_to(CHECKOUT / "tests")


@contextmanager
def lock() -> Iterator[None]:
    """Hold the checkout's set-up lock; says so when somebody else has it. The system lets go of it if we die."""
    TOX_FOLDER.mkdir(exist_ok=True)
    with (TOX_FOLDER / "bootstrap.lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("another start is setting up this checkout; waiting for it")
            fcntl.flock(file, fcntl.LOCK_EX)
        # Shared with what we start, so that it stays held if we are killed and they go on.
        os.set_inheritable(file.fileno(), True)
        yield


def set_up_tox() -> None:
    """Make the small environment that holds tox, unless it is there at the pinned version."""
    constraints = CHECKOUT / "constraints.txt"
    pin = re.search(r"(?m)^tox==\S+", constraints.read_text(encoding="utf-8"))
    assert pin, "constraints.txt pins no tox"  # noqa: S101
    done = BOOTSTRAP / "runoff.done"
    recipe = f"{pin[0]} {CHECKOUT} {sys.version}"
    if BOOTSTRAP_PYTHON.exists() and done.exists() and done.read_text(encoding="utf-8") == recipe:
        return
    if not sys.executable:
        stop("this Python cannot tell where it lies", "set PATH, or name Python in full: PYTHON=/path/to/python3")
    say(f"installing {pin[0]} into {BOOTSTRAP}")
    shutil.rmtree(BOOTSTRAP, ignore_errors=True)
    run_or_stop(
        [sys.executable, "-m", "venv", str(BOOTSTRAP)],
        f"{sys.executable} cannot make a virtual environment",
        "install its venv module (Debian, Ubuntu: apt install python3-venv), or name another Python in PYTHON",
    )
    run_or_stop(
        [str(BOOTSTRAP_PYTHON), "-m", "pip", "install", "-q", "--constraint", str(constraints), pin[0]],
        f"pip could not install {pin[0]}",
        INSTALL_CURE,
    )
    done.write_text(recipe, encoding="utf-8")


def set_up_environments(environments: Sequence[str]) -> None:
    """Have tox install what the environments need, unless nothing changed since that was last done."""
    recipe = recipe_digest()
    missing = [name for name in environments if not was_done(name, recipe)]
    if not missing:
        return
    say(f"setting up {', '.join(missing)} in {TOX_FOLDER}; the first time takes minutes")
    run_or_stop(
        # Without tox's sum, which would say of lint and tests that they passed before they ran.
        [*tox_words(missing), "-qq", "--notest"],
        "the set-up failed",
        INSTALL_CURE,
    )
    for name in missing:
        done_file(name).write_text(recipe, encoding="utf-8")


def recipe_digest() -> str:
    """Return a digest of everything that decides what is installed."""
    digest = hashlib.sha256(f"{CHECKOUT} {sys.version} {os.environ.get('RUNOFF_EXTRA')}".encode())
    for name in RECIPE:
        digest.update((CHECKOUT / name).read_bytes())
    return digest.hexdigest()


def was_done(environment: str, recipe: str) -> bool:
    """Return whether the environment was last set up from this recipe."""
    return done_file(environment).exists() and done_file(environment).read_text(encoding="utf-8") == recipe


def done_file(environment: str) -> Path:
    """Return the file that remembers from which recipe an environment was set up."""
    return TOX_FOLDER / f"{environment}.done"


def tox_words(environments: Sequence[str]) -> list[str]:
    """Return the command that has tox run environments; it sums up if there are several, else only failures speak."""
    verbosity = "-qq" if len(environments) == 1 else "-q"
    tox = [str(BOOTSTRAP_PYTHON), "-m", "tox"]
    return [*tox, "run", verbosity, "-c", str(CHECKOUT / "tox.ini"), "-e", ",".join(environments)]


def environment_of_tox() -> dict[str, str]:
    """Return our environment without what an outer tox or a TOX_ variable would change, with the caller's folder."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("TOX_")}
    return variables | {"RUNOFF_STARTED_IN": str(Path.cwd())}


def run_or_stop(words: Sequence[str], failure: str, cure: str) -> None:
    """Run a command; if it fails, show what it said and stop."""
    with subprocess.Popen(words, env=environment_of_tox(), close_fds=False) as process:  # noqa: S603
        try:
            process.wait()
        except KeyboardInterrupt:
            # The terminal told tox and pip too. What they write until they end would spoil the next attempt.
            process.wait()
            raise
    if process.returncode:
        stop(failure, cure)


def stop(failure: str, cure: str) -> NoReturn:
    """Say what failed and its cure, and exit."""
    say(f"{failure}\n{cure}")
    sys.exit(1)


def say(message: str) -> None:
    """Say something to the user, at once."""
    print(f"runoff: {message}", file=sys.stderr, flush=True)  # noqa: T201


if __name__ == "__main__":
    try:
        main(sys.argv[1], sys.argv[2:])
    except KeyboardInterrupt:
        say("interrupted; the next start takes up the set-up again")
        sys.exit(130)
