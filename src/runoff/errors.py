"""
Every error runoff raises on purpose, in one tree.

    RunoffError
    ├── UsageError              an option or argument that cannot be used
    ├── ModelError              a model file, an ONNX file or a set of them that cannot be used
    ├── ShapeError              a batch or an output of the wrong shape or type
    ├── ConversionError         a model that PyTorch or ONNX would not convert
    ├── ParityError             answers that are not the reference's
    ├── BackendError            a backend that failed
    │   └── BackendUnavailable  a backend whose package, device or service is not there
    ├── ServiceError            a service that died, hung or broke its contract
    │   └── OtherModelError     a service that runs another model than the one in process
    ├── RecordError             a saved result that cannot be read or written
    └── GateError               a comparison that cannot be made: no baseline, a plan that could never fire

Messages say where, what was found, what was wanted, then the cure.
"""


class RunoffError(Exception):
    """Base of every error that runoff raises on purpose."""


class UsageError(RunoffError):
    """An option or argument that cannot be used."""


class ModelError(RunoffError):
    """A model file, an ONNX file or a set of them that cannot be used."""


class ShapeError(RunoffError):
    """A batch or an output of the wrong shape or type."""


class ConversionError(RunoffError):
    """A model that PyTorch or ONNX would not convert."""


class ParityError(RunoffError):
    """Answers that are not the reference's."""


class BackendError(RunoffError):
    """A backend that failed."""


class BackendUnavailable(BackendError):
    """A backend whose package, device or service is not there; the message names the cure."""


class ServiceError(RunoffError):
    """A service that died, hung or broke its contract."""


class OtherModelError(ServiceError):
    """A service that runs another model than the one in process."""


class RecordError(RunoffError):
    """A saved result that cannot be read or written."""


class GateError(RunoffError):
    """A comparison that cannot be made: there is no baseline, or the plan could never find anything."""


def quote(text: object, limit: int = 60) -> str:
    """Return input as it may stand in a message: escaped to one line and cut to a sensible length."""
    shown = repr(text) if isinstance(text, str) else str(text)
    return shown if len(shown) <= limit else f"{shown[: limit - 1]}…"
