"""
The messages of neural.proto. The types are generated, in this folder:

    python -m grpc_tools.protoc -I. --pyi_out=. --descriptor_set_out=neural.binpb neural.proto
"""

from pathlib import Path

from google.protobuf import descriptor_pool

from runoff.backends.neural_grpc.descriptors import load_messages

# The default pool, which server reflection reads.
DESCRIPTOR, _messages = load_messages(Path(__file__).with_name("neural.binpb"), descriptor_pool.Default())
globals().update(_messages)
