"""Loads protobuf message classes from a compiled .proto file."""

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool


def load_messages(path: Path) -> tuple[FileDescriptor, dict[str, Any]]:
    """
    Load the messages of a compiled .proto file without the Python code that protoc generates.

    Generated code requires one major version of protobuf, and would conflict with client libraries that require an
    older one. The messages get a descriptor pool of their own, because protobuf refuses a second message of the same
    name in the default pool, where a user's neural_pb2, tritonclient or kserve registers theirs.

    Args:
        path: A descriptor set of one file, as `protoc --descriptor_set_out` writes it.

    Returns:
        The file's descriptor, and its top-level message classes by name.
    """
    [file] = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    descriptor = pool.FindFileByName(file.name)
    names = descriptor.message_types_by_name
    return descriptor, {name: message_factory.GetMessageClass(message) for name, message in names.items()}
