"""
Time `runoff convert` for 294 models, once with an empty cache and once with all results in the cache.

The models are made from the networks in ../shared/models or, if that folder does not exist, in fixtures/models or from
random networks. Each model gets slightly different weights, so that no two are equal. Every run is a new process with a
new output folder; its time includes the start of Python and the import of torch.

Run from the repository root: python -m benchmarks.conversion [--models 294] [--runs 5]
"""

import argparse
import dataclasses
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from runoff.files.cache_folder import CACHE_DIR_VARIABLE
from runoff.models import go_json, go_json_writer
from runoff.models.mlp import Kind, Mlp

ROOT = Path(__file__).resolve().parent.parent
SOURCES = (ROOT.parent / "shared" / "models", ROOT / "fixtures" / "models")
# The random networks have the input size and the hidden sizes that the Go trainer commonly uses.
INPUT_SIZE, HIDDEN_SIZES = 81, (64, 96, 128, 256)


def random_mlp(kind: Kind, hidden_size: int, generator: np.random.Generator) -> Mlp:
    output_size = 9 if kind is Kind.POLICY else 1
    return Mlp(
        kind,
        generator.normal(0.0, 0.2, (hidden_size, INPUT_SIZE)),
        generator.normal(0.0, 0.1, hidden_size),
        generator.normal(0.0, 0.2, (output_size, hidden_size)),
        generator.normal(0.0, 0.1, output_size),
    )


def source_models(generator: np.random.Generator) -> tuple[str, list[Mlp]]:
    """Return the source of the models (a folder or "random networks") and at least one model per architecture."""
    for folder in SOURCES:
        paths = sorted(folder.glob("*.model"))
        if len(paths) >= 8:
            return f"{folder.parent.name}/{folder.name}", [go_json.read(path) for path in paths]
    return "random networks", [random_mlp(kind, size, generator) for size in HIDDEN_SIZES for kind in Kind]


def make_models(folder: Path, count: int) -> str:
    generator = np.random.default_rng(294)
    source, models = source_models(generator)
    for index in range(count):
        model = models[index % len(models)]
        factor = 1.0 + generator.normal(0.0, 1e-3, model.weights_hidden.shape)
        variant = dataclasses.replace(model, weights_hidden=model.weights_hidden * factor)
        (folder / f"model_{index:03}.model").write_bytes(go_json_writer.encode(variant))
    return source


def time_convert_s(models: Path, cache: Path) -> tuple[float, float]:
    """Run `runoff convert` on a folder of models in a new process; return its wall and processor time in seconds."""
    environment = os.environ | {CACHE_DIR_VARIABLE: str(cache)}
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, "-m", "runoff", "convert", str(models), "-o", output]
        start, before = time.perf_counter(), os.times()
        subprocess.run(command, env=environment, check=True, capture_output=True)  # noqa: S603
        wall_s, after = time.perf_counter() - start, os.times()
        cpu_s = after.children_user + after.children_system - before.children_user - before.children_system
        return wall_s, cpu_s


def print_times(label: str, runs: int, measure: Callable[[], tuple[float, float]]) -> None:
    walls_s, cpus_s = zip(*(measure() for _ in tqdm(range(runs), desc=label, leave=False, disable=None)), strict=True)
    # Print wall time and processor time: on a busy machine, the wall time includes waiting for other programs.
    print(
        f"{label:12} wall: median {statistics.median(walls_s):6.2f} s, min {min(walls_s):6.2f}, max {max(walls_s):6.2f}"
        f"   processor: median {statistics.median(cpus_s):6.2f} s   of {runs} runs"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=int, default=294)
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as name:
        models, cache = Path(name, "models"), Path(name, "cache")
        models.mkdir()
        source = make_models(models, arguments.models)
        print(f"{arguments.models} models made from {source}, {os.cpu_count()} cores")

        def cold_s() -> tuple[float, float]:
            with tempfile.TemporaryDirectory() as empty:
                return time_convert_s(models, Path(empty))

        print_times("cold", arguments.runs, cold_s)
        time_convert_s(models, cache)
        print_times("from cache", arguments.runs, lambda: time_convert_s(models, cache))


if __name__ == "__main__":
    main()
