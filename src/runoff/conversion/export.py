"""One run of PyTorch's current exporter: a network's form as an ONNX graph, its weights still to be put in."""

import contextlib
import logging
import warnings
from collections.abc import Iterator

from runoff.conversion.onnx_model import BATCH_NAME, INPUT_NAME, OUTPUT_NAME
from runoff.errors import ConversionError
from runoff.models.mlp import Kind


def export(kind: Kind, sizes: tuple[int, int, int], opset: int) -> bytes:
    """
    Export a network with arbitrary weights through `torch.onnx.export(dynamo=True)`.

    Args:
        kind: Which head.
        sizes: (input_size, hidden_size, output_size).
        opset: ONNX operator set to write.

    Returns:
        A serialised model with a dynamic batch dimension and no external data.

    Raises:
        ConversionError: If torch or onnxscript is not installed, or the exporter fails or writes another opset.
    """
    try:
        import onnxscript  # noqa: F401 - the exporter needs it and would say so less clearly
        import torch

        from runoff.conversion.module import MlpModule
    except ImportError as error:
        raise ConversionError(
            f"conversion needs the package {error.name}; install it with: pip install 'runoff[torch]'"
        ) from None
    try:
        with _quiet(), torch.no_grad():
            program = torch.onnx.export(
                MlpModule(kind, sizes).eval(),
                # Two samples: the exporter takes a dimension of one for a constant.
                (torch.zeros(2, sizes[0]),),
                dynamo=True,
                external_data=False,
                verbose=False,
                input_names=[INPUT_NAME],
                output_names=[OUTPUT_NAME],
                dynamic_shapes=({0: torch.export.Dim(BATCH_NAME)},),
                opset_version=opset,
            )
    except Exception as error:  # noqa: BLE001, RUF100 - the exporter raises whatever its many passes raise
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise ConversionError(f"PyTorch's exporter failed for opset {opset}: {lines[0]}") from error
    if program is None:
        raise ConversionError("PyTorch's exporter returned no program")
    model = program.model_proto
    written = next((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), None)
    if written != opset:
        raise ConversionError(f"PyTorch's exporter cannot write opset {opset}, it wrote {written}; choose another")
    return bytes(model.SerializeToString(deterministic=True))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Keep from the user what the exporter says about its own insides; its failures are exceptions and still come."""
    # They warn that torchvision is not there, which no network here needs, and of every step of a version conversion.
    levels = {name: logging.getLogger(name).level for name in ("torch.onnx", "onnxscript")}
    for name in levels:
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Deprecations inside torch that no caller can mend, e.g. of LeafSpec in its own copy of a program.
            warnings.simplefilter("ignore")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
