"""
A tox plugin that adds one type of environment, `runner = shared`.

Several tox environments can share one folder of installed packages. Starting one of them
installs runoff in editable mode again only if the existing editable install is out of date.
"""

import hashlib

from tox.plugin import impl
from tox.tox_env.info import Info
from tox.tox_env.python.virtual_env.runner import VirtualEnvRunner
from tox.tox_env.register import ToxEnvRegister


class SharedEnvRunner(VirtualEnvRunner):
    """A tox environment that shares its folder of packages with others, because each copy would take 3 GB."""

    @staticmethod
    def id() -> str:
        """Return the name with which the setting `runner` in tox.ini selects this type."""
        return "shared"

    @property
    def cache(self) -> Info:
        """Tox's record of the folder. Enter this environment's name as creator, or tox would rebuild the folder."""
        info = super().cache
        creator = info._content.get("ToxEnv")
        if creator:
            creator["name"] = self.conf.name
        return info

    def _setup_pkg(self) -> None:
        """Install the dependencies, then runoff in editable mode if pyproject.toml or the checkout's path changed."""
        super()._setup_pkg()
        root = self.core["tox_root"]
        expected = {
            "root": str(root),
            "pyproject": hashlib.sha256((root / "pyproject.toml").read_bytes()).hexdigest(),
        }
        with self.cache.compare(expected, "runoff", "editable") as (same, _):
            if not same:
                self.installer._execute_installer(["--no-deps", "--no-build-isolation", "-e", str(root)], "editable")


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    """Register the environment type `shared`."""
    register.add_run_env(SharedEnvRunner)
