"""
The exceptions that runoff raises deliberately.

    RunoffError
    ├── UsageError              an option or argument has an invalid value
    ├── ModelError              a model file or an ONNX file is missing, malformed or given twice
    ├── ShapeError              a batch or an output array has the wrong shape or type
    ├── ConversionError         PyTorch's exporter failed or wrote an invalid ONNX model
    ├── ParityError             outputs differ from the float64 reference by more than float32 rounding explains
    ├── BackendError            a backend failed
    │   └── BackendUnavailable  a backend's package, device or service is missing
    ├── ServiceError            a service crashed, timed out or sent an invalid response
    │   └── OtherModelError     a service runs a different model from the one under test
    ├── RecordError             a saved run cannot be read or written
    └── GateError               the gate cannot compare: no baseline, or too few blocks to ever detect a regression

A message states where the problem is, what was found, what was expected, and how to fix it:
`rps.model: weightsInputHidden has shape (81, 64), expected (64, 81); it looks transposed`.
"""


class RunoffError(Exception):
    """Base class of all exceptions that runoff raises deliberately."""


class UsageError(RunoffError):
    """An option or argument has an invalid value."""


class ModelError(RunoffError):
    """A model file or an ONNX file is missing, malformed or given twice."""


class ShapeError(RunoffError):
    """A batch or an output array has the wrong shape or type."""


class ConversionError(RunoffError):
    """PyTorch's exporter failed or wrote an invalid ONNX model."""


class ParityError(RunoffError):
    """Outputs differ from the float64 reference by more than float32 rounding can explain."""


class BackendError(RunoffError):
    """A backend failed."""


class BackendUnavailable(BackendError):
    """A backend's package, device or service is missing. The message explains how to provide it."""


class ServiceError(RunoffError):
    """A service crashed, timed out or sent an invalid response."""


class OtherModelError(ServiceError):
    """A service runs a different model from the one under test."""


class RecordError(RunoffError):
    """A saved run cannot be read or written."""


class GateError(RunoffError):
    """The gate cannot compare the benchmarks, for example without a baseline or with too few blocks for a verdict."""


def quote(value: object, max_length: int = 60) -> str:
    """Format a value for an error message. Strings are quoted and escaped. Long text is cut to `max_length`."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"
