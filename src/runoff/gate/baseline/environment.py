"""Which interpreter a revision's tests need: this one if they ask for the same packages, otherwise one of their own."""

import configparser
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from runoff.errors import GateError, quote
from runoff.gate.baseline.worktree import cache_folder

# Whole files that say which versions are installed.
_PIN_FILES = (
    "constraints*.txt", "requirements*.txt", "requirements/*.txt", "uv.lock", "poetry.lock", "pdm.lock",
    "Pipfile.lock", "pylock*.toml", "setup.py",
)  # fmt: skip
_INSTALL_TIMEOUT_S = 3600.0


def recipe(tree: Path) -> dict[str, Any]:
    """Return everything in a tree that decides which packages its tests get; equal recipes need one environment."""
    found: dict[str, Any] = {}
    for pattern in _PIN_FILES:
        for path in sorted(tree.glob(pattern)):
            found[path.relative_to(tree).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    project = _pyproject(tree)
    table = project.get("project", {})
    found["pyproject"] = {
        **{key: table.get(key) for key in ("requires-python", "dependencies", "optional-dependencies")},
        "groups": project.get("dependency-groups"),
        "poetry": {k: v for k, v in project.get("tool", {}).get("poetry", {}).items() if "depend" in k or k == "group"},
    }
    config = configparser.ConfigParser(interpolation=None)
    config.read(tree / "setup.cfg", encoding="utf-8")
    found["setup.cfg"] = {
        section: sorted(config.items(section)) for section in config.sections() if section == "options.extras_require"
    } | ({"install_requires": config.get("options", "install_requires", fallback="")})
    return found


def project_name(tree: Path) -> str:
    """Return the name of the project that a tree holds; empty if it does not say."""
    return str(_pyproject(tree).get("project", {}).get("name", ""))


def installed_apart(tree: Path) -> bool:
    """Return whether the tree's project is installed here as a copy: then this interpreter would not see the tree."""
    name = project_name(tree)
    found = list(metadata.distributions(name=name)) if name else []
    if any(Path(str(each.locate_file(""))).is_relative_to(tree) for each in found):
        return False
    origins = [json.loads(each.read_text("direct_url.json") or "{}") for each in found]
    return bool(found) and not any(origin.get("dir_info", {}).get("editable", False) for origin in origins)


def source_folders(tree: Path) -> list[str]:
    """Return the folders of a tree that this interpreter imports from, relative to it: `src`, or the tree itself."""
    folders = [Path(entry) for entry in sys.path if entry] + [tree / "src"] * (tree / "src").is_dir()
    inside = [folder for folder in folders if folder.is_relative_to(tree) and not folder.is_relative_to(sys.prefix)]
    if not installed_apart(tree) and project_name(tree):
        inside.append(tree)
    return list(dict.fromkeys(str(folder.relative_to(tree)) for folder in inside))


def build(tree: Path, tell: Callable[[str], None]) -> str:
    """
    Return an interpreter with the packages that a tree asks for, made if there is none yet.

    Args:
        tree: The revision's files.
        tell: Told what takes long.

    Returns:
        Path of the interpreter, in the cache folder.

    Raises:
        GateError: If it cannot be made; what was made of it is gone.
    """
    requirements = list(_requirements(tree))
    # The tree lies elsewhere in every run; what it asks for decides, not where it lies.
    asked = [word.replace(str(tree), ".") for word in requirements]
    key = json.dumps([recipe(tree), asked, sys.version, sys.prefix], sort_keys=True)
    folder = cache_folder() / "environments" / hashlib.sha256(key.encode()).hexdigest()[:16]
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / "runoff.done"
    with _locked(folder):
        if done.exists():
            return str(python)
        tell(f"the baseline asks for other packages: making an environment for it in {folder}, once")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            _run([sys.executable, "-m", "venv", str(folder)], tree, tell)
            pins = [word for path in sorted(tree.glob("constraints*.txt")) for word in ("--constraint", str(path))]
            _run([str(python), "-m", "pip", "install", "--progress-bar=off", *pins, *requirements], tree, tell)
            done.write_text(key, encoding="utf-8")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return str(python)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Keep another gate from making the same environment at the same time; where the system has such locks."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    try:
        import fcntl
    except ImportError:
        yield
        return
    with folder.with_suffix(".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _requirements(tree: Path) -> Iterator[str]:
    """Yield what is installed for a tree: itself, with the extras and groups that this environment has, and pytest."""
    project = _pyproject(tree)
    name = project_name(tree)
    if name or (tree / "setup.py").exists() or (tree / "setup.cfg").exists():
        extras = project.get("project", {}).get("optional-dependencies", {})
        here = [extra for extra, wanted in extras.items() if _all_installed(wanted, name, extras)]
        yield from ("--editable", f"{tree}[{','.join(here)}]" if here else str(tree))
    for wanted in project.get("dependency-groups", {}).values():
        plain = [each for each in wanted if isinstance(each, str)]
        if _all_installed(plain, name, {}):
            yield from plain
    for path in sorted(tree.glob("requirements*.txt")):
        yield from ("--requirement", str(path))
    yield from ("pytest", "pytest-benchmark")


def _all_installed(requirements: Iterable[str], project: str, extras: dict[str, list[str]]) -> bool:
    """Return whether this interpreter has everything that some requirements name."""
    for text in requirements:
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            return False
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        if canonicalize_name(wanted.name) == canonicalize_name(project or "?"):
            if not all(_all_installed(extras.get(extra, []), project, {}) for extra in wanted.extras):
                return False
            continue
        try:
            metadata.distribution(wanted.name)
        except metadata.PackageNotFoundError:
            return False
    return True


def _pyproject(tree: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise GateError(f"{tree / 'pyproject.toml'}: cannot be read: {quote(str(error), 200)}") from None


def _run(words: list[str], tree: Path, tell: Callable[[str], None]) -> None:
    """Run one step of the making, passing on what it says; GateError if it fails."""
    with subprocess.Popen(  # noqa: S603 - our own words
        words, cwd=tree, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace",
    ) as process:  # fmt: skip
        assert process.stdout is not None  # noqa: S101 - made with PIPE
        said: list[str] = []
        # One that hangs is ended, and so is one that nobody waits for any more: it would go on writing.
        limit = threading.Timer(_INSTALL_TIMEOUT_S, process.kill)
        limit.start()
        try:
            for line in process.stdout:
                said.append(line.rstrip())
                if re.match(r"(Collecting|Downloading|Installing|Building) ", line.lstrip()):
                    tell(f"  {said[-1].strip()[:100]}")
        except BaseException:
            process.kill()
            raise
        finally:
            limit.cancel()
    if process.returncode:
        telling = [line for line in said if not line.startswith("WARNING: Retrying")]
        unanswered = "the package index cannot be reached; " if len(telling) < len(said) else ""
        raise GateError(
            f"no environment for the baseline could be made: {unanswered}" + "\n".join(telling[-8:])
            + "\nmake one by hand and name it: --gate-against CHECKOUT:PYTHON"
        )  # fmt: skip
