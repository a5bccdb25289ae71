"""Versions of the packages that take part in a conversion; cached conversions of other versions are not used."""

import functools
import importlib.metadata

# Increase this number whenever a conversion writes or checks something different; cached conversions then expire.
CONVERTER_VERSION = 2
# Names of the distributions that may provide each package.
_DISTRIBUTIONS = {
    "torch": ("torch",),
    "onnx": ("onnx",),
    "onnxscript": ("onnxscript",),
    "onnxruntime": ("onnxruntime", "onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino"),
}


@functools.cache
def versions() -> dict[str, str]:
    """Return the version of each part of the converter, `absent` for a missing package; no package is imported."""
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
