"""Export a network with random weights through PyTorch's ONNX exporter. graph.py inserts the trained weights."""

import contextlib
import logging
import warnings
from collections.abc import Iterator

from runoff.conversion.onnx_model import BATCH_NAME, INPUT_NAME, OUTPUT_NAME
from runoff.errors import ConversionError
from runoff.models.mlp import Kind


def export(kind: Kind, sizes: tuple[int, int, int], opset: int) -> bytes:
    """
    Export a network with random weights through `torch.onnx.export(dynamo=True)` and return the serialised model.

    The model has a dynamic batch dimension and no external data; `sizes` are (input_size, hidden_size, output_size).

    Raises:
        ConversionError: If torch or onnxscript is not installed, or if the exporter fails or writes a wrong opset.
    """
    try:
        import onnxscript  # noqa: F401 - without it the exporter fails with an unclear message
        import torch

        from runoff.conversion.module import MlpModule
    except ImportError as error:
        raise ConversionError(
            f"conversion needs the package {error.name}; install it with: pip install 'runoff[torch]'"
        ) from None
    try:
        with _silenced_exporter(), torch.no_grad():
            program = torch.onnx.export(
                MlpModule(kind, sizes).eval(),
                # Use two samples, because the exporter would treat a batch dimension of size 1 as a constant.
                (torch.zeros(2, sizes[0]),),
                dynamo=True,
                external_data=False,
                verbose=False,
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                dynamic_shapes=({0: torch.export.Dim(BATCH_NAME)},),
                opset_version=opset,
            )
    except Exception as error:  # noqa: BLE001, RUF100 - the exporter's passes raise exceptions of many types
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ConversionError(f"PyTorch's exporter failed for opset {opset}: {lines[0]}") from error
    if program is None:
        raise ConversionError("PyTorch's exporter returned no program")
    model = program.model_proto
    written = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), None)
    if written != opset:
        raise ConversionError(f"PyTorch's exporter wrote opset {written}, expected {opset}; choose another opset")
    return bytes(model.SerializeToString(deterministic=True))


@contextlib.contextmanager
def _silenced_exporter() -> Iterator[None]:
    """Suppress the exporter's warnings in the `with` block. Exceptions still reach the caller."""
    # These loggers warn about a missing torchvision, which is not needed, and about each conversion between opsets.
    levels = {name: logging.getLogger(name).level for name in ("torch.onnx", "onnxscript")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Users cannot avoid these warnings: torch itself calls functions that torch deprecates, such as LeafSpec.
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
