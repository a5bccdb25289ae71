"""
Measure the overhead of the perf suite by comparing its rounds with a bare loop of the same call, at batch size 1.

Run from the repository root: python -m benchmarks.harness
"""

import argparse
import time
from types import SimpleNamespace

import numpy as np
from pytest_benchmark.fixture import BenchmarkFixture
from pytest_benchmark.logger import Logger

from benchmarks.pairs import paired_ratio, pin_to_one_core
from fixtures.input_batches import make_batch
from fixtures.suite_options import FIXTURE_MODELS
from fixtures.timed_rounds import Predict, time_rounds
from runoff.backends.registry import open_in_process
from runoff.conversion import ConversionCache, convert
from runoff.measurement.warm_up import warm_up
from runoff.models import go_json
from runoff.models.mlp import Float32Array


def benchmark_fixture() -> BenchmarkFixture:
    """Return a `benchmark` fixture like the one that pytest-benchmark passes to a test."""
    return BenchmarkFixture(
        SimpleNamespace(name="case", nodeid="case"),
        disable_gc=False,
        timer=SimpleNamespace(target=time.perf_counter),
        min_rounds=1,
        min_time=0.0,
        max_time=1.0,
        precision=None,
        confidence=None,
        warmup=False,
        warmup_iterations=0,
        calibration_precision=10,
        add_stats=lambda _: None,
        logger=Logger(Logger.QUIET),
        warner=None,
        disabled=False,
        cprofile=False,
        cprofile_loops=None,
        cprofile_dump=None,
    )


def suite_round_s(predict: Predict, batch: Float32Array, iterations: int) -> float:
    """Run one round as the perf suite does; return the seconds per call that the suite measured."""
    benchmark = benchmark_fixture()
    time_rounds(benchmark, predict, batch, rounds=1, iterations=iterations)
    assert benchmark.stats is not None
    return float(benchmark.stats.stats.data[0])


def bare_round_s(predict: Predict, batch: Float32Array, iterations: int) -> float:
    """Run one round as a plain loop; return the seconds per call."""
    start = time.perf_counter()
    for _ in range(iterations):
        predict(batch)
    return (time.perf_counter() - start) / iterations


def main() -> None:
    """Print, for each backend, the time of a suite round relative to a bare loop."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=300, help="pairs of rounds (default: 300)")
    pairs = parser.parse_args().pairs
    core = pin_to_one_core()
    mlp = go_json.read(FIXTURE_MODELS / "rps_h64_policy.model")
    onnx = convert(mlp, cache=ConversionCache()).onnx
    batch = make_batch(mlp.input_size, 1)
    print(f"harness / bare loop, rps_h64_policy, batch size 1, {pairs} pairs of alternating rounds, {core}")
    for name in ("onnxruntime-cpu", "numpy", "null"):
        with open_in_process(name, mlp, onnx) as backend:
            warm = warm_up(lambda predict=backend.predict: predict(batch))  # type: ignore[misc]  # a default is bound
            iterations = warm.iterations()

            def suite(predict: Predict = backend.predict, n: int = iterations) -> float:
                return suite_round_s(predict, batch, n)

            def bare(predict: Predict = backend.predict, n: int = iterations) -> float:
                return bare_round_s(predict, batch, n)

            ratio, bare_s = paired_ratio(suite, bare, pairs), float(np.median([bare() for _ in range(20)]))
        print(f"{name:16} bare {bare_s * 1e6:6.2f} µs   harness {ratio}")


if __name__ == "__main__":
    main()
