"""How near a backend's answers are to the float64 reference, judged by what float32 can keep for that model."""

from dataclasses import dataclass

import numpy as np

from runoff.errors import ParityError, ShapeError
from runoff.models.mlp import Float32Array, Float64Array, Mlp

# Above this much, float32 itself moves a probability visibly, whatever the runtime.
ILL_CONDITIONED = 1e-3


@dataclass(frozen=True)
class Accuracy:
    """
    The worst error of a batch of answers.

    Attributes:
        worst_error: Largest absolute difference from the reference.
        allowed_error: What float32 allows at that element; may reach 1 for an ill-conditioned model.
        fraction_of_allowed: Largest quotient of error and what is allowed over all elements; at most 1 passes.
        sample: Row of the element with that quotient.
        output: Column of it.
    """

    worst_error: float
    allowed_error: float
    fraction_of_allowed: float
    sample: int
    output: int

    @property
    def ill_conditioned(self) -> bool:
        """Whether float32 alone may move an answer of this model visibly."""
        return self.allowed_error > ILL_CONDITIONED


def measure(found: Float32Array, wanted: Float64Array, tolerance: Float64Array) -> Accuracy:
    """
    Compare answers with the reference, element by element.

    Args:
        found: A backend's answers, shape (batch_size, output_size).
        wanted: The reference's, same shape.
        tolerance: Allowed absolute error of each, same shape.

    Returns:
        The worst element; a number that is not finite counts as infinitely far.

    Raises:
        ShapeError: If the answers have another shape than the reference's.
    """
    if found.shape != wanted.shape:
        raise ShapeError(f"answers have shape {found.shape}, expected {wanted.shape}")
    errors = np.abs(found.astype(np.float64) - wanted)
    errors[~np.isfinite(found)] = np.inf
    fractions = errors / tolerance
    sample, output = np.unravel_index(int(fractions.argmax()), fractions.shape)
    return Accuracy(
        worst_error=float(errors.max()),
        allowed_error=float(tolerance.max()),
        fraction_of_allowed=float(fractions[sample, output]),
        sample=int(sample),
        output=int(output),
    )


def check(who: str, mlp: Mlp, batch: Float32Array, found: Float32Array) -> Accuracy:
    """
    Hold a backend's answers against the float64 reference.

    Args:
        who: Whose answers they are, for the message.
        mlp: The model.
        batch: Inputs, shape (batch_size, input_size).
        found: The answers, shape (batch_size, output_size).

    Returns:
        How near they are.

    Raises:
        ParityError: If one lies further off than float32 explains; names the worst element.
        ShapeError: If the answers have another shape than the reference's.
    """
    wanted = mlp.forward(batch)
    accuracy = measure(found, wanted, mlp.output_tolerance(batch))
    if not accuracy.fraction_of_allowed <= 1.0:
        row, column = accuracy.sample, accuracy.output
        raise ParityError(
            f"{who}: sample {row}, output {column} is {found[row, column]:.9g}, the float64 reference says"
            f" {wanted[row, column]:.9g}; that is {accuracy.fraction_of_allowed:.3g} times what float32 allows"
            f" for this {mlp.description} model, so the backend does not run this model"
        )
    return accuracy
