"""Runs the perf suite in a separate pytest process, as a user would."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from runoff.models import go_json_writer
from runoff.models.mlp import Kind
from tests.support.models import random_mlp

ROOT = Path(__file__).parents[2]
# Disable plugins that a benchmark does not need, as tox.ini does. This almost halves pytest's start time.
PYTEST = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:timeout",
          "-p", "no:xdist"]  # fmt: skip


class PerfRun:
    """Runs the perf suite with a small model in separate processes, and saves the runs in a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.store = folder / "results"
        self.model = folder / "small.model"
        self.model.write_bytes(go_json_writer.encode(random_mlp(Kind.POLICY, 6, 8, 3)))

    def command(self, *options: str) -> list[str]:
        words = ["tests/perf", f"--benchmark-storage=file://{self.store}", "--rounds", "5"]
        model = [] if "--onnx-model" in options else ["--model", str(self.model)]
        return [*PYTEST, *words, *model, *options]

    def run(self, *options: str, environment: Mapping[str, str] | None = None) -> "subprocess.CompletedProcess[str]":
        command, variables = self.command(*options), {**os.environ, **(environment or {})}
        return subprocess.run(
            command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=180, check=False
        )

    def records(self) -> dict[str, dict[str, Any]]:
        """Return the records of the saved run by case id. There must be exactly one saved run."""
        found = (benchmark["extra_info"]["runoff"] for benchmark in self.saved()["benchmarks"])
        return {record["case"]: record for record in found}

    def saved(self) -> dict[str, Any]:
        """Return the only saved run."""
        (path,) = self.store.glob("*/*.json")
        loaded: dict[str, Any] = json.loads(path.read_bytes())
        return loaded
