"""Which converter made a file: runoff's own version of it and those of the packages at work, none of them imported."""

import functools
import importlib.metadata

# Raise it with every change of what a conversion writes or checks; every cached conversion is made anew then.
CONVERTER_VERSION = 1
# A package may come from one of several distributions.
_DISTRIBUTIONS = {
    "torch": ("torch",),
    "onnx": ("onnx",),
    "onnxscript": ("onnxscript",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
}


@functools.cache
def versions() -> dict[str, str]:
    """Return the converter's parts and their versions; a package that is not installed is `absent`."""
    return {
        "converter": str(CONVERTER_VERSION),
        "exporter": "torch.onnx.export(dynamo=True)",
    } | {package: _version(distributions) for package, distributions in _DISTRIBUTIONS.items()}


def _version(distributions: tuple[str, ...]) -> str:
    for distribution in distributions:
        try:
            return f"{distribution} {importlib.metadata.version(distribution)}"
        except importlib.metadata.PackageNotFoundError:
            continue
    return "absent"
