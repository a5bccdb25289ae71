"""
The messages of inference.proto. To generate the .pyi and .binpb files again, run in this folder:

    python -m grpc_tools.protoc -I. --pyi_out=. --descriptor_set_out=inference.binpb inference.proto
"""

from pathlib import Path

from runoff.rpc.descriptors import load_messages

DESCRIPTOR, _messages = load_messages(Path(__file__).with_name("inference.binpb"))
globals().update(_messages)
