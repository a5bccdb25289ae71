"""The compiler of contracts, in a process of its own: in one with TensorFlow, two builds of protobuf would crash it."""

import subprocess
import sys

import pytest


def run_protoc(*words: str) -> None:
    """Run it, or skip the test where it is not installed."""
    pytest.importorskip("grpc_tools", reason="needs grpcio-tools")
    subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *words], check=True, timeout=60)
