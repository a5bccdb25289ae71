"""Tox's view of runoff: environments that share one folder, and an editable install that is done only when needed."""

import hashlib

from tox.plugin import impl
from tox.tox_env.info import Info
from tox.tox_env.python.virtual_env.runner import VirtualEnvRunner
from tox.tox_env.register import ToxEnvRegister


class SharedEnvRunner(VirtualEnvRunner):
    """An environment whose folder other environments with the same contents use too: the frameworks weigh 3 GB."""

    @staticmethod
    def id() -> str:
        """Return the name that `runner` in tox.ini knows this by."""
        return "shared"

    @property
    def cache(self) -> Info:
        """What tox remembers of the folder, as if whoever asks had made it: another name is no reason to rebuild."""
        info = super().cache
        maker = info._content.get("ToxEnv")
        if maker:
            maker["name"] = self.conf.name
        return info

    def _setup_pkg(self) -> None:
        """Install the dependencies, then runoff itself in editable mode if its metadata or its place has changed."""
        super()._setup_pkg()
        root = self.core["tox_root"]
        wanted = {
            "root": str(root),
            "pyproject": hashlib.sha256((root / "pyproject.toml").read_bytes()).hexdigest(),
        }
        with self.cache.compare(wanted, "runoff", "editable") as (same, _):
            if not same:
                self.installer._execute_installer(["--no-deps", "--no-build-isolation", "-e", str(root)], "editable")


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    """Make `runner = shared` known."""
    register.add_run_env(SharedEnvRunner)
