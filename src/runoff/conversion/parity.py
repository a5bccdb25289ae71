"""Is the converted model the same model? Weights, logits, head and outputs, each against what float32 allows."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import onnx
import threadpoolctl

from runoff.conversion import graph
from runoff.conversion.onnx_model import INPUT_NAME, OUTPUT_NAME, ParityReport
from runoff.conversion.probes import BATCH_SIZES, float32_shift, probe_samples
from runoff.conversion.session import open_session
from runoff.errors import ParityError, ShapeError
from runoff.models import accuracy
from runoff.models.mlp import FLOAT32_EPS, FLOAT32_HEAD_FACTOR, Float32Array, Float64Array, Mlp, apply_head

# Beyond this a head saturates and answers 0 or 1 whatever it computes: then tanh passes for a sigmoid.
SATURATING_LOGIT = 8.0
# Products of two float32 below its smallest normal number (2^-126) lose bits that no bound in eps counts.
_UNDERFLOW = 2.0**-126


@dataclass(frozen=True)
class _Reference:
    """The float64 answers to all samples and how far float32 may lie from them; arrays of one row a sample."""

    samples: Float32Array
    logits: Float64Array
    logit_tolerance: Float64Array
    outputs: Float64Array
    output_tolerance: Float64Array


def verify(mlp: Mlp, model_bytes: bytes) -> ParityReport:
    """
    Hold a converted model in ONNX Runtime against the float64 reference.

    Args:
        mlp: The network.
        model_bytes: What it was converted to.

    Returns:
        How near it came.

    Raises:
        ParityError: If a weight is not the network's, or a logit or an output lies further off than float32 explains.
    """
    model = onnx.ModelProto.FromString(model_bytes)
    check_weights(mlp, model)
    # Matrices this small take ten times as long where a busy machine makes BLAS's threads wait for each other.
    with _thread_pools().limit(limits=1, user_api="blas"):
        return check_answers(mlp, model_bytes, model)


def check_weights(mlp: Mlp, model: onnx.ModelProto) -> None:
    """Raise ParityError unless every weight in the graph is the network's rounded to float32, bit for bit."""
    found = graph.weights_of(model)
    for name in graph.WEIGHT_NAMES.values():
        wanted = getattr(mlp, name).astype(np.float32)
        if name not in found or found[name].shape != wanted.shape:
            shape = found[name].shape if name in found else "missing"
            raise ParityError(f"{mlp.description}: {name} in the graph is {shape}, expected {wanted.shape}")
        differs = found[name].view(np.int32) != wanted.view(np.int32)
        if differs.any():
            at = tuple(int(i) for i in np.unravel_index(int(differs.argmax()), wanted.shape))
            raise ParityError(
                f"{mlp.description}: {name}{list(at)} in the graph is {found[name][at]:.9g}, the model's is"
                f" {wanted[at]:.9g}; {int(differs.sum())} of {wanted.size} differ"
            )


def check_answers(mlp: Mlp, model_bytes: bytes, model: onnx.ModelProto) -> ParityReport:
    """
    Hold the logits, the head and the outputs against the reference; weights are not looked at.

    The outputs alone would be blind: where logits reach millions, float32 allows any probability. So the logits are
    checked in a copy with one more output, the head against the copy's own logits, and a head that these logits
    saturate once more with the output layer scaled down.

    Raises:
        ParityError: As `verify`.
    """
    reference = _reference_of(mlp)
    opened = graph.with_logits(model)
    logits, _ = _check_logits_and_head(mlp, reference, opened)
    largest_logit = float(np.abs(reference.logits).max())
    if largest_logit > SATURATING_LOGIT:
        # A power of two, so that the scaled weights are exact.
        scale = 2.0 ** np.floor(np.log2(SATURATING_LOGIT / 2 / largest_logit))
        moderate = replace(mlp, weights_output=mlp.weights_output * scale, biases_output=mlp.biases_output * scale)
        _check_logits_and_head(moderate, _reference_of(moderate), graph.with_weights(opened, moderate))
    outputs = _worst(
        _judge(f"{mlp.description}: output", size, found, reference.outputs[rows], reference.output_tolerance[rows])
        for size, rows, (found,) in _run(model_bytes, reference.samples, [OUTPUT_NAME])
    )
    return ParityReport(
        worst_error=outputs.worst_error,
        allowed_error=outputs.allowed_error,
        fraction_of_allowed=outputs.fraction_of_allowed,
        worst_logit_error=logits.worst_error,
        logit_fraction_of_allowed=logits.fraction_of_allowed,
        float32_shift=float32_shift(mlp.kind, reference.logits, reference.logit_tolerance),
        sample_count=len(reference.samples),
    )


@functools.cache
def _thread_pools() -> threadpoolctl.ThreadpoolController:
    """Return the process's thread pools; finding them takes milliseconds."""
    return threadpoolctl.ThreadpoolController()


def _reference_of(mlp: Mlp) -> _Reference:
    samples = probe_samples(mlp.input_size)
    logits = mlp.logits(samples)
    return _Reference(
        samples=samples,
        logits=logits,
        logit_tolerance=mlp.logit_tolerance(samples) + _UNDERFLOW * mlp.hidden_size,
        outputs=apply_head(mlp.kind, logits),
        output_tolerance=mlp.output_tolerance(samples),
    )


def _check_logits_and_head(
    mlp: Mlp, reference: _Reference, opened: onnx.ModelProto
) -> tuple[accuracy.Accuracy, accuracy.Accuracy]:
    """Check a graph that shows its logits; return how near the logits came, and the head to its own logits."""
    logits, heads = [], []
    for size, rows, (outputs, found) in _run(
        graph.serialise(opened), reference.samples, [OUTPUT_NAME, graph.LOGITS_NAME]
    ):
        wanted, tolerance = reference.logits[rows], reference.logit_tolerance[rows]
        logits.append(_judge(f"{mlp.description}: logit", size, found, wanted, tolerance))
        head = apply_head(mlp.kind, found.astype(np.float64))
        head_tolerance = np.full_like(head, FLOAT32_HEAD_FACTOR * FLOAT32_EPS)
        heads.append(_judge(f"{mlp.description}: head of the same logits: output", size, outputs, head, head_tolerance))
    return _worst(iter(logits)), _worst(iter(heads))


def _run(
    model_bytes: bytes, samples: Float32Array, names: list[str]
) -> Iterator[tuple[int, slice, list[Float32Array]]]:
    """Run the samples in batches of BATCH_SIZES; yield each batch's size, its rows and the named outputs."""
    session = open_session(model_bytes)
    start = 0
    for size in BATCH_SIZES:
        rows = slice(start, start + size)
        yield size, rows, session.run(names, {INPUT_NAME: samples[rows]})
        start += size


def _judge(
    what: str, batch_size: int, found: Float32Array, wanted: Float64Array, tolerance: npt.NDArray[np.float64]
) -> accuracy.Accuracy:
    """Compare one batch; raise ParityError naming the worst element if it is too far off."""
    try:
        measured = accuracy.measure(found, wanted, tolerance)
    except ShapeError as error:
        raise ParityError(f"{what}: {error} at batch size {batch_size}") from None
    if not measured.fraction_of_allowed <= 1.0:
        at = measured.sample, measured.output
        raise ParityError(
            f"{what} {at[1]} of sample {at[0]} at batch size {batch_size} is {found[at]:.9g} in ONNX Runtime,"
            f" the float64 reference says {wanted[at]:.9g}; that is {measured.fraction_of_allowed:.3g} times"
            " what float32 allows"
        )
    return measured


def _worst(batches: Iterator[accuracy.Accuracy]) -> accuracy.Accuracy:
    """Return the batches' worst numbers as one."""
    every = list(batches)
    worst = max(every, key=lambda batch: batch.fraction_of_allowed)
    return replace(
        worst,
        worst_error=max(batch.worst_error for batch in every),
        allowed_error=max(batch.allowed_error for batch in every),
    )
