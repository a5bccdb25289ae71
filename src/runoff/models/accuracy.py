"""Compare a backend's outputs with the float64 reference. Errors that float32 rounding can explain are allowed."""

from dataclasses import dataclass

import numpy as np

from runoff.errors import ParityError, ShapeError
from runoff.models.mlp import Float32Array, Float64Array, Mlp

# A model is called ill-conditioned if float32 rounding may change one of its outputs by more than this threshold.
ILL_CONDITIONED = 1e-3


@dataclass(frozen=True)
class Accuracy:
    """
    The largest error in a batch of outputs, and the largest error that float32 rounding allows in that batch.

    Attributes:
        worst_error: Largest absolute difference from the reference.
        allowed_error: Largest error that float32 rounding allows in this batch; about 1 for an ill-conditioned model.
        fraction_of_allowed: Largest quotient of an element's error and its allowed error; at most 1 if all are right.
        sample: Row of the element with that quotient.
        output: Column of the element with that quotient.
    """

    worst_error: float
    allowed_error: float
    fraction_of_allowed: float
    sample: int
    output: int

    @property
    def ill_conditioned(self) -> bool:
        """Whether float32 rounding alone may change an output by more than ILL_CONDITIONED."""
        return self.allowed_error > ILL_CONDITIONED


def check(source: str, mlp: Mlp, batch: Float32Array, outputs: Float32Array) -> Accuracy:
    """
    Check that a backend's outputs agree with the float64 reference, and return their errors.

    Args:
        source: Name of the backend or case, for the error message.
        mlp: The model.
        batch: Inputs, shape (batch_size, input_size).
        outputs: The backend's outputs for `batch`, shape (batch_size, output_size).

    Raises:
        ParityError: If an error is larger than float32 rounding explains; the message names the worst element.
        ShapeError: If the outputs have the wrong shape.
    """
    return compare(f"{source} ({mlp.description})", outputs, mlp.forward(batch), mlp.output_tolerance(batch))


def compare(source: str, outputs: Float32Array, reference: Float64Array, tolerance: Float64Array) -> Accuracy:
    """
    Check that each output differs from its reference value by at most its tolerance, and return the errors.

    Args:
        source: Origin of the outputs, for the error message.
        outputs: The outputs, shape (batch_size, output_size).
        reference: Their correct values, same shape.
        tolerance: Allowed absolute error of each element, same shape.

    Raises:
        ParityError: If an error is larger than its tolerance; the error of NaN or infinity is infinite.
        ShapeError: If `outputs` and `reference` differ in shape.
    """
    if outputs.shape != reference.shape:
        raise ShapeError(f"{source}: outputs have shape {outputs.shape}, expected {reference.shape}")
    errors = np.abs(outputs.astype(np.float64) - reference)
    errors[~np.isfinite(outputs)] = np.inf
    fractions = errors / tolerance
    row, column = (int(index) for index in np.unravel_index(int(fractions.argmax()), fractions.shape))
    fraction = float(fractions[row, column])
    if not fraction <= 1.0:
        raise ParityError(
            f"{source}: sample {row}, output {column} is {outputs[row, column]:.9g}, expected"
            f" {reference[row, column]:.9g} (float64 reference); the difference is {fraction:.3g} times what float32"
            " allows, so this is not the same model"
        )
    return Accuracy(
        worst_error=float(errors.max()),
        allowed_error=float(tolerance.max()),
        fraction_of_allowed=fraction,
        sample=row,
        output=column,
    )
