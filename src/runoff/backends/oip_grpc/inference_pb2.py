"""
The messages of inference.proto, in a descriptor pool of their own.

In the default pool there may be another library's messages of the same names, those of tritonclient or kserve, or they
may come later: protobuf refuses whoever is second. The types are generated, in this folder:

    python -m grpc_tools.protoc -I. --pyi_out=. --descriptor_set_out=inference.binpb inference.proto
"""

from pathlib import Path

from google.protobuf.descriptor_pool import DescriptorPool

from runoff.backends.neural_grpc.descriptors import load_messages

DESCRIPTOR, _messages = load_messages(Path(__file__).with_name("inference.binpb"), DescriptorPool())
globals().update(_messages)
