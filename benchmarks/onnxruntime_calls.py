"""
Compare the speed of the backend `onnxruntime-cpu` with direct calls of an ONNX Runtime session.

Every call takes a float32 array and returns a new float32 array, except `binding alone`. This call always computes the
same batch in place, without copying an input or a result, so its time is a lower limit that no usable call reaches.

Run from the repository root: python -m benchmarks.onnxruntime_calls
"""

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.pairs import paired_ratio, pin_to_one_core
from fixtures.input_batches import make_batch
from fixtures.suite_options import FIXTURE_MODELS
from runoff.backends.base import Settings
from runoff.backends.onnxruntime_backend import create_session
from runoff.backends.registry import open_in_process
from runoff.conversion import ConversionCache, convert
from runoff.models import go_json
from runoff.models.mlp import Float32Array

Predict = Callable[[Float32Array], object]


def library_calls(onnx: bytes, batch: Float32Array, output_size: int) -> dict[str, Predict]:
    """Return ONNX Runtime's public ways to run one batch, as a mapping from a name to a function."""
    session: Any = create_session(onnx, "onnxruntime-cpu", Settings())
    inputs, outputs = batch.copy(), np.empty((len(batch), output_size), dtype=np.float32)
    binding = session.io_binding()
    binding.bind_input("input", "cpu", 0, np.float32, inputs.shape, inputs.ctypes.data)
    binding.bind_output("output", "cpu", 0, np.float32, outputs.shape, outputs.ctypes.data)

    def bound(batch: Float32Array) -> Float32Array:
        np.copyto(inputs, batch)
        session.run_with_iobinding(binding)
        return outputs.copy()

    return {
        "run": lambda batch: session.run(None, {"input": batch})[0],
        "binding with copies": bound,
        "binding alone": lambda _: session.run_with_iobinding(binding),
    }


def make_round(call: Predict, batch: Float32Array, iterations: int) -> Callable[[], float]:
    """Return a function that runs one round of the call and returns the duration of the round in seconds."""

    def run_round() -> float:
        start = time.perf_counter()
        for _ in range(iterations):
            call(batch)
        return time.perf_counter() - start

    return run_round


def main() -> None:
    """Print, for each batch size, the time of `predict` relative to each of ONNX Runtime's own calls."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pairs", type=int, default=300, help="pairs of rounds (default: 300)")
    pairs = parser.parse_args().pairs
    print(f"predict / the library's own call, rps_h64_policy, {pairs} pairs of alternating rounds, {pin_to_one_core()}")
    mlp = go_json.read(FIXTURE_MODELS / "rps_h64_policy.model")
    onnx = convert(mlp, cache=ConversionCache()).onnx
    backend = open_in_process("onnxruntime-cpu", mlp, onnx)
    for batch_size in (1, 8, 64, 256, 1024):
        batch = make_batch(mlp.input_size, batch_size)
        iterations = max(3, 800 // batch_size)
        predict = make_round(backend.predict, batch, iterations)
        for name, call in library_calls(onnx, batch, mlp.output_size).items():
            ratio = paired_ratio(predict, make_round(call, batch, iterations), pairs)
            print(f"batch {batch_size:5}   {name:20} {ratio}")


if __name__ == "__main__":
    main()
