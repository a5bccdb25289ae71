"""Checks the outputs in a response against the request and the model, whichever protocol carried them."""

from typing import NoReturn

import numpy as np

from runoff.errors import ServiceError
from runoff.models.mlp import Float32Array, Kind

# Float32's rounding error over 65,536 outputs is below 1e-3; the sums of a service in half precision are within it too.
_SUM_TOLERANCE = 1e-3
# Python adds up this many numbers before NumPy has got through the overhead of its five calls.
_FEW = 64


def check_outputs(outputs: Float32Array, kind: Kind, batch_size: int, output_size: int | None) -> None:
    """
    Check the outputs of a response; a few vectorised operations, part of every timed call.

    Args:
        outputs: Outputs, shape (samples, numbers of one sample).
        kind: Policy if each row must hold probabilities; value if finite numbers are enough.
        batch_size: Samples in the request.
        output_size: Numbers of one sample that the service announced; None if unknown.

    Raises:
        ServiceError: If the number of samples or of outputs is another one, a number is not finite, or the rows of a
            policy are not probabilities.
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
    # A number that is not finite makes the sum of its row not finite, and the comparison fails. The sums are a product
    # with a vector of ones, because NumPy sums short rows one by one: 3 µs instead of 21 for 1024 rows of 9.
    with np.errstate(invalid="ignore"):
        sums = outputs @ np.ones(outputs.shape[1], np.float32)
    if not ((np.abs(sums - 1.0) <= _SUM_TOLERANCE).all() and outputs.min() >= 0.0):
        _refuse(outputs)


def _refuse(outputs: Float32Array) -> NoReturn:
    """Raise ServiceError about the first infinite, NaN or negative output, or about the row with the wrong sum."""
    for wrong, expected in ((~np.isfinite(outputs), "a finite number"), (outputs < 0.0, "a probability")):
        if wrong.any():
            row, column = np.argwhere(wrong)[0]
            found = f"output {column} of sample {row} is {outputs[row, column]:.6g}"
            raise ServiceError(f"the response's {found}, expected {expected}")
    sums = outputs.sum(axis=1, dtype=np.float64)
    row = np.abs(sums - 1.0).argmax()
    raise ServiceError(f"the response's probabilities of sample {row} sum to {sums[row]:.6g}, expected 1")
