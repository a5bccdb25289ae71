"""
The Python environment of a baseline.

If a revision declares the same packages as the candidate, its tests run with the current interpreter. Otherwise they
run in a virtual environment that is created for the revision and cached for later runs.
"""

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
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from runoff.errors import GateError, quote
from runoff.files.cache_folder import cache_folder
from runoff.files.file_lock import hold_lock

# Files that determine package versions. If one differs from the candidate's, the baseline gets a separate environment.
_REQUIREMENT_FILES = (
    "constraints*.txt", "requirements*.txt", "requirements/*.txt", "uv.lock", "poetry.lock", "pdm.lock",
    "Pipfile.lock", "pylock*.toml", "setup.py",
)  # fmt: skip
_INSTALL_TIMEOUT_S = 3600.0


def declared_packages(tree: Path) -> dict[str, Any]:
    """Return a JSON-serialisable dict of everything in a checkout that determines which packages its tests need."""
    declared: dict[str, Any] = {}
    for pattern in _REQUIREMENT_FILES:
        for path in sorted(tree.glob(pattern)):
            declared[path.relative_to(tree).as_posix()] = hashlib.sha256(path.read_bytes()).hexdigest()
    project = _pyproject(tree)
    table = project.get("project", {})
    declared["pyproject"] = {
        **{key: table.get(key) for key in ("requires-python", "dependencies", "optional-dependencies")},
        "groups": project.get("dependency-groups"),
        "poetry": {k: v for k, v in project.get("tool", {}).get("poetry", {}).items() if "depend" in k or k == "group"},
    }
    config = configparser.ConfigParser(interpolation=None)
    config.read(tree / "setup.cfg", encoding="utf-8")
    declared["setup.cfg"] = {
        "install_requires": config.get("options", "install_requires", fallback=""),
        "extras_require": dict(config["options.extras_require"]) if "options.extras_require" in config else {},
    }
    return declared


def project_name(tree: Path) -> str:
    """Return the project name from a checkout's pyproject.toml, or an empty string if the file contains no name."""
    return str(_pyproject(tree).get("project", {}).get("name", ""))


def is_installed_as_copy(tree: Path) -> bool:
    """Return whether `import` would load a copy of the project in site-packages instead of the checkout's own files."""
    name = project_name(tree)
    installed = list(metadata.distributions(name=name)) if name else []
    if any(Path(str(each.locate_file(""))).is_relative_to(tree) for each in installed):
        return False
    origins = [json.loads(each.read_text("direct_url.json") or "{}") for each in installed]
    return bool(installed) and not any(origin.get("dir_info", {}).get("editable", False) for origin in origins)


def source_folders(tree: Path) -> list[str]:
    """Return the folders inside a checkout from which this interpreter imports, as relative paths (`src` or `.`)."""
    folders = [Path(entry) for entry in sys.path if entry] + [tree / "src"] * (tree / "src").is_dir()
    inside = [folder for folder in folders if folder.is_relative_to(tree) and not folder.is_relative_to(sys.prefix)]
    if not is_installed_as_copy(tree) and project_name(tree):
        inside.append(tree)
    return list(dict.fromkeys(str(folder.relative_to(tree)) for folder in inside))


def find_or_create(tree: Path, report_line: Callable[[str], None]) -> str:
    """
    Find or create a virtual environment with the packages that a checkout declares, and return its interpreter.

    The environment is kept in the cache folder. Creating it can take minutes; meanwhile, `report_line` is called with
    progress messages for the user.

    Raises:
        GateError: If the environment cannot be created; no part of it is left behind.
    """
    pip_arguments = list(_pip_arguments(tree))
    # Every run checks the baseline out into a different folder, so the cache key must not depend on the path.
    portable = [argument.replace(str(tree), ".") for argument in pip_arguments]
    key = json.dumps([declared_packages(tree), portable, sys.version, sys.prefix], sort_keys=True)
    folder = cache_folder() / "gate" / "environments" / hashlib.sha256(key.encode()).hexdigest()[:16]
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    done = folder / "runoff.done"
    folder.parent.mkdir(parents=True, exist_ok=True)
    with hold_lock(folder.with_suffix(".lock")):
        if done.exists():
            return str(python)
        report_line(f"the baseline needs different packages: creating its environment in {folder} (only once)")
        shutil.rmtree(folder, ignore_errors=True)
        try:
            _run([sys.executable, "-m", "venv", str(folder)], tree, report_line)
            pip_install = [str(python), "-m", "pip", "install", "--progress-bar=off", *pip_arguments]
            _run(pip_install, tree, report_line)
            done.write_text(key, encoding="utf-8")
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise
    return str(python)


def _pip_arguments(tree: Path) -> Iterator[str]:
    """Yield the arguments of `pip install`. Of the extras and dependency groups, include those installed here."""
    for path in sorted(tree.glob("constraints*.txt")):
        yield from ("--constraint", str(path))
    project = _pyproject(tree)
    name = project_name(tree)
    if name or (tree / "setup.py").exists() or (tree / "setup.cfg").exists():
        extras = project.get("project", {}).get("optional-dependencies", {})
        chosen = [extra for extra, wanted in extras.items() if _are_installed(wanted, name, extras)]
        yield from ("--editable", f"{tree}[{','.join(chosen)}]" if chosen else str(tree))
    for wanted in project.get("dependency-groups", {}).values():
        plain = [each for each in wanted if isinstance(each, str)]
        if _are_installed(plain, name, {}):
            yield from plain
    for path in sorted(tree.glob("requirements*.txt")):
        yield from ("--requirement", str(path))
    yield from ("pytest", "pytest-benchmark")


def _are_installed(requirements: Iterable[str], project: str, extras: dict[str, list[str]]) -> bool:
    """Return whether all required packages are installed in the current environment, in any version."""
    for text in requirements:
        try:
            wanted = Requirement(text)
        except InvalidRequirement:
            return False
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        if canonicalize_name(wanted.name) == canonicalize_name(project or "?"):
            found = all(_are_installed(extras.get(extra, []), project, {}) for extra in wanted.extras)
        else:
            found = any(metadata.distributions(name=wanted.name))
        if not found:
            return False
    return True


def _pyproject(tree: Path) -> dict[str, Any]:
    try:
        return tomllib.loads((tree / "pyproject.toml").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise GateError(f"{tree / 'pyproject.toml'}: cannot be read: {quote(str(error), 200)}; correct it") from None


def _run(command: list[str], tree: Path, report_line: Callable[[str], None]) -> None:
    """Run one step of creating an environment, and report pip's progress. Raise GateError if the step fails."""
    with subprocess.Popen(  # noqa: S603 - no shell
        command, cwd=tree, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        errors="replace",
    ) as process:  # fmt: skip
        assert process.stdout is not None  # noqa: S101 - because of PIPE
        output: list[str] = []
        timer = threading.Timer(_INSTALL_TIMEOUT_S, process.kill)
        timer.start()
        try:
            for line in process.stdout:
                output.append(line.rstrip())
                if re.match(r"(Collecting|Downloading|Installing|Building) ", line.lstrip()):
                    report_line(f"  {output[-1].strip()[:100]}")
        except BaseException:
            # Stop pip after Ctrl-C. Otherwise pip would still write to the new environment while the gate removes it.
            process.kill()
            raise
        finally:
            timer.cancel()
    if process.returncode:
        relevant = [line for line in output if not line.startswith("WARNING: Retrying")]
        unreachable = "the package index cannot be reached; " if len(relevant) < len(output) else ""
        raise GateError(
            f"cannot create an environment for the baseline: {unreachable}" + "\n".join(relevant[-8:])
            + "\ncreate one yourself and pass its interpreter: --gate-against CHECKOUT:PYTHON"
        )  # fmt: skip
