"""Message classes from compiled contract files."""

from pathlib import Path
from typing import Any

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool


def load_messages(path: Path) -> tuple[FileDescriptor, dict[str, Any]]:
    """
    Load a contract's messages without protoc's generated code, which ties a process to one major version of protobuf:
    a client library that asks for an older one could not be installed beside it.

    They are in a descriptor pool of their own. In the default one there may be another library's messages of the same
    names (a user's own neural_pb2, tritonclient's, kserve's), or they may come later: protobuf refuses whoever is
    second.

    Args:
        path: A descriptor set of one file, as `protoc --descriptor_set_out` writes it.

    Returns:
        The file's descriptor, and its top-level messages by name.
    """
    [file] = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    descriptor = pool.FindFileByName(file.name)
    names = descriptor.message_types_by_name
    return descriptor, {name: message_factory.GetMessageClass(message) for name, message in names.items()}
