"""Checks the outputs in a service's response. The checks are the same for both protocols."""

from typing import NoReturn

import numpy as np

from runoff.errors import ServiceError
from runoff.models.mlp import Float32Array, Kind

# Rounding errors of a sum of probabilities are below this tolerance, even for 65,536 outputs or in half precision.
_SUM_TOLERANCE = 1e-3
# Up to this many numbers, Python's own `sum` and `min` are faster than the five NumPy calls below.
_FEW = 64


def check_outputs(outputs: Float32Array, kind: Kind, batch_size: int, output_size: int | None) -> None:
    """
    Check the outputs in a response. Every timed call includes this check, so it uses only a few vectorised operations.

    Args:
        outputs: Outputs, shape (samples, numbers of one sample).
        kind: Policy if each row must hold probabilities. Value if the numbers only have to be finite.
        batch_size: Samples in the request.
        output_size: Outputs of one sample, as announced by the service. None if unknown.

    Raises:
        ServiceError: If the number of samples or outputs is wrong, a number is not finite, or the outputs of a policy
            are not probabilities.
    """
    if len(outputs) != batch_size:
        raise ServiceError(f"the response has {len(outputs)} outputs, expected {batch_size}, one for each sample")
    if output_size is not None and outputs.shape[1] != output_size:
        raise ServiceError(
            f"the response has {outputs.shape[1]} numbers for each sample, expected {output_size}, as announced"
        )
    if kind is Kind.VALUE:
        if not np.isfinite(outputs).all():
            _refuse(outputs)
        return
    if batch_size == 1 and outputs.size <= _FEW:
        numbers = outputs[0].tolist()
        if abs(sum(numbers) - 1.0) <= _SUM_TOLERANCE and min(numbers) >= 0.0:
            return
    # An infinite or NaN output makes the sum of its row infinite or NaN, so this check also finds it. Multiplying by a
    # vector of ones sums 1024 rows of 9 numbers in 3 µs; NumPy's `sum` needs 21 µs, because it is slow on short rows.
    with np.errstate(invalid="ignore"):
        sums = outputs @ np.ones(outputs.shape[1], np.float32)
    if not ((np.abs(sums - 1.0) <= _SUM_TOLERANCE).all() and outputs.min() >= 0.0):
        _refuse(outputs)


def _refuse(outputs: Float32Array) -> NoReturn:
    """Raise ServiceError about the first infinite, NaN or negative output, or about the sum that is furthest from 1."""
    for wrong, expected in ((~np.isfinite(outputs), "a finite number"), (outputs < 0.0, "a probability")):
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            found = f"output {column} of sample {row} is {outputs[row, column]:.6g}"
            raise ServiceError(f"the response's {found}, expected {expected}")
    sums = outputs.sum(axis=1, dtype=np.float64)
    row = np.abs(sums - 1.0).argmax()
    raise ServiceError(f"the response's probabilities of sample {row} sum to {sums[row]:.6g}, expected 1")
