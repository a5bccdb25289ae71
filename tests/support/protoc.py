"""
Runs protoc, the compiler of .proto files, in a separate process.

grpcio-tools and TensorFlow contain different builds of protobuf, and a process that loads both crashes.
"""

import subprocess
import sys

import pytest


def run_protoc(*arguments: str) -> None:
    """Run protoc. Skip the test if grpcio-tools, which contains protoc, is not installed."""
    pytest.importorskip("grpc_tools", reason="needs grpcio-tools")
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *arguments], check=True, timeout=60)
