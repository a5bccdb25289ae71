"""
Convert neural networks to ONNX with PyTorch's exporter, verify the ONNX models, and cache them.

Importing this package imports neither torch nor onnx.
"""

from runoff.conversion.cache import ConversionCache
from runoff.conversion.onnx_file import read_onnx
from runoff.conversion.onnx_model import OnnxModel, ParityReport
from runoff.conversion.pipeline import DEFAULT_OPSET, convert, convert_file

__all__ = ["DEFAULT_OPSET", "ConversionCache", "OnnxModel", "ParityReport", "convert", "convert_file", "read_onnx"]
