"""Encode a network as JSON, with exactly the bytes that the Go trainer writes."""

import math
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from runoff.models.mlp import Kind, Mlp

_Value = int | float | npt.NDArray[np.float64]


def encode(mlp: Mlp) -> bytes:
    """
    Encode a network in the Go trainer's JSON format.

    Keys are sorted, numbers have as few digits as possible, and there is no white space, so a file of the trainer that
    is read and encoded again gives the same bytes.
    """
    document: dict[str, _Value] = {
        "inputSize": mlp.input_size,
        "hiddenSize": mlp.hidden_size,
        "weightsInputHidden": mlp.weights_hidden,
        "biasesHidden": mlp.biases_hidden,
        "weightsHiddenOutput": mlp.weights_output,
    }
    if mlp.kind is Kind.POLICY:
        document |= {"outputSize": mlp.output_size, "biasesOutput": mlp.biases_output}
    else:
        document |= {"biasOutput": float(mlp.biases_output[0])}
    return ("{" + ",".join(f'"{key}":{_encode_value(document[key])}' for key in sorted(document)) + "}").encode()


def _encode_value(value: _Value) -> str:
    """Format an integer, float, vector or matrix exactly as Go's package encoding/json does."""
    if isinstance(value, np.ndarray):
        return "[" + ",".join(_encode_value(item) for item in value) + "]"
    return str(value) if isinstance(value, int) else _encode_float(float(value))


def _encode_float(number: float) -> str:
    """Format a float64 exactly as Go's package encoding/json does (`floatEncoder` in its file encode.go)."""
    if 1e-6 <= abs(number) < 1e21:
        digits = repr(number)
        digits = format(Decimal(digits), "f") if "e" in digits else digits
        return digits.removesuffix(".0")
    if number == 0:
        return "-0" if math.copysign(1.0, number) < 0 else "0"
    mantissa, exponent = f"{number!r}".split("e") if "e" in repr(number) else f"{Decimal(repr(number)):e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"
