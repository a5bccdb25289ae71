"""Versions of the packages that take part in a conversion. Conversions cached with other versions are ignored."""

import functools
import importlib.metadata

# Increase this number whenever the output or the checks of conversions change, so that old cache entries are ignored.
CONVERTER_VERSION = 2
# Names of the PyPI distributions that can provide each imported package.
_DISTRIBUTIONS = {
    "torch": ("torch",),
    "onnx": ("onnx",),
    "onnxscript": ("onnxscript",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
}


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of the converter's parts without importing them. A missing package is `absent`."""
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
