"""Verify a converted model: compare its weights, logits, head and outputs with those of the original network."""

import functools
from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import onnx
import threadpoolctl

from runoff.conversion import graph
from runoff.conversion.onnx_model import INPUT_NAME, OUTPUT_NAME, ParityReport
from runoff.conversion.probes import BATCH_SIZES, probe_samples
from runoff.conversion.single_thread_session import open_single_thread_session
from runoff.errors import ParityError
from runoff.models.accuracy import Accuracy, compare
from runoff.models.mlp import FLOAT32_EPS, FLOAT32_HEAD_FACTOR, Float32Array, Float64Array, Mlp, apply_head

# Above this logit, both sigmoid and tanh return almost 1, so a model with the wrong head would not be detected.
SATURATING_LOGIT = 8.0
# Tolerance for products below 2^-126, the smallest normal float32 number: they lose bits, unlike larger products.
_UNDERFLOW = 2.0**-126


def verify(mlp: Mlp, model_bytes: bytes) -> ParityReport:
    """
    Run a converted model in ONNX Runtime, and verify its weights and outputs against the network `mlp` in float64.

    Raises:
        ParityError: If a weight differs, or if the error of a logit or an output is larger than float32 explains.
        ShapeError: If the converted model's logits or outputs have the wrong shape.
    """
    model = onnx.ModelProto.FromString(model_bytes)
    check_weights(mlp, model)
    # Use one BLAS thread: on a busy machine, several threads wait for each other and take ten times as long.
    with _thread_pools().limit(limits=1, user_api="blas"):
        return check_outputs(mlp, model_bytes, model)


def check_weights(mlp: Mlp, model: onnx.ModelProto) -> None:
    """Raise ParityError unless the graph's weights equal, bit for bit, the network's weights rounded to float32."""
    found = graph.weights_of(model)
    for name in graph.WEIGHT_NAMES.values():
        expected = getattr(mlp, name).astype(np.float32)
        if name not in found or found[name].shape != expected.shape:
            shape = found[name].shape if name in found else "missing"
            raise ParityError(f"{mlp.description}: {name} in the graph has shape {shape}, expected {expected.shape}")
        differs = found[name].view(np.int32) != expected.view(np.int32)
        if differs.any():
            at = tuple(int(i) for i in np.unravel_index(int(differs.argmax()), expected.shape))
            raise ParityError(
                f"{mlp.description}: {name}{list(at)} in the graph is {found[name][at]:.9g},"
                f" expected {expected[at]:.9g}; {int(differs.sum())} of {expected.size} numbers differ"
            )


def check_outputs(mlp: Mlp, model_bytes: bytes, model: onnx.ModelProto) -> ParityReport:
    """
    Compare the model's logits, head and outputs (not its weights) with the reference, and return their errors.

    Comparing outputs is not enough, because with logits of millions float32 rounding may give any probability. So a
    copy of the model with the logits as a second output is checked as well: its logits against the reference, and its
    head against the copy's own logits. If the logits saturate the head, the head is checked once more with the output
    layer scaled down. `model` is the parsed form of `model_bytes`. Raises ParityError and ShapeError as `verify` does.
    """
    samples = probe_samples(mlp.input_size)
    logits = mlp.logits(samples)
    model_with_logits = graph.with_logits(model)
    logits_accuracy = _check_logits_and_head(mlp, samples, logits, model_with_logits)
    largest_logit = float(np.abs(logits).max())
    if largest_logit > SATURATING_LOGIT:
        # The scale is a power of two, because multiplying by it causes no rounding errors.
        scale = 2.0 ** np.floor(np.log2(SATURATING_LOGIT / 2 / largest_logit))
        scaled = replace(mlp, weights_output=mlp.weights_output * scale, biases_output=mlp.biases_output * scale)
        _check_logits_and_head(scaled, samples, scaled.logits(samples), graph.with_weights(model_with_logits, scaled))
    reference, tolerance = apply_head(mlp.kind, logits), mlp.output_tolerance(samples)
    outputs_accuracy = _worst_of(
        compare(f"{mlp.description}, batch size {len(reference[rows])}", outputs, reference[rows], tolerance[rows])
        for rows, (outputs,) in _run(model_bytes, samples, [OUTPUT_NAME])
    )
    return ParityReport(outputs=outputs_accuracy, logits=logits_accuracy, sample_count=len(samples))


@functools.cache
def _thread_pools() -> threadpoolctl.ThreadpoolController:
    """Return an object that limits the number of BLAS threads. Creating it takes milliseconds, so it is cached."""
    return threadpoolctl.ThreadpoolController()


def _check_logits_and_head(
    mlp: Mlp, samples: Float32Array, reference: Float64Array, model_with_logits: onnx.ModelProto
) -> Accuracy:
    """Compare the model's logits with the reference, and its outputs with those expected for its own logits."""
    tolerance = mlp.logit_tolerance(samples) + _UNDERFLOW * mlp.hidden_size
    logits_accuracy = []
    names = [OUTPUT_NAME, graph.LOGITS_NAME]
    for rows, (outputs, logits) in _run(graph.serialise(model_with_logits), samples, names):
        source = f"{mlp.description}, batch size {len(reference[rows])}"
        logits_accuracy.append(compare(f"{source}, logits", logits, reference[rows], tolerance[rows]))
        expected = apply_head(mlp.kind, logits.astype(np.float64))
        head_tolerance = np.full_like(expected, FLOAT32_HEAD_FACTOR * FLOAT32_EPS)
        compare(f"{source}, head applied to the same logits", outputs, expected, head_tolerance)
    return _worst_of(logits_accuracy)


def _run(model_bytes: bytes, samples: Float32Array, names: list[str]) -> Iterator[tuple[slice, list[Float32Array]]]:
    """Run the model on one batch of each size in BATCH_SIZES. Yield each batch's rows (a slice) and its outputs."""
    session = open_single_thread_session(model_bytes)
    start = 0
    for size in BATCH_SIZES:
        rows = slice(start, start + size)
        yield rows, session.run(names, {INPUT_NAME: samples[rows]})
        start += size


def _worst_of(batches: Iterable[Accuracy]) -> Accuracy:
    """Return the largest errors of all batches, and the position of the largest ratio of error to allowed error."""
    accuracies = list(batches)
    worst = max(accuracies, key=lambda accuracy: accuracy.fraction_of_allowed)
    return replace(
        worst,
        worst_error=max(accuracy.worst_error for accuracy in accuracies),
        allowed_error=max(accuracy.allowed_error for accuracy in accuracies),
    )
