"""Loads protobuf message classes from a compiled .proto file, and uses them to parse responses."""

from pathlib import Path
from typing import Any, TypeVar

from google.protobuf import descriptor_pb2, message_factory
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.message import DecodeError, Message

from runoff.errors import ServiceError

_Response = TypeVar("_Response", bound=Message)


def load_messages(path: Path) -> tuple[FileDescriptor, dict[str, Any]]:
    """
    Create the message classes of a compiled .proto file without the Python code that protoc generates.

    Generated code requires one major version of protobuf, and would conflict with client libraries that require an
    older one. The messages get a descriptor pool of their own, because protobuf refuses a second message of the same
    name in the default pool, where a user's neural_pb2, tritonclient or kserve registers theirs.

    Args:
        path: A descriptor set of one .proto file, written by `protoc --descriptor_set_out`.

    Returns:
        The file's descriptor, and its top-level message classes by name.
    """
    [file] = descriptor_pb2.FileDescriptorSet.FromString(path.read_bytes()).file
    pool = DescriptorPool()
    pool.AddSerializedFile(file.SerializeToString())
    descriptor = pool.FindFileByName(file.name)
    names = descriptor.message_types_by_name
    return descriptor, {name: message_factory.GetMessageClass(message) for name, message in names.items()}


def parse_response(message_type: type[_Response], message: bytes) -> _Response:
    """Parse a service's response. Raise ServiceError if the bytes are not a valid message of the given type."""
    try:
        return message_type.FromString(message)
    except DecodeError as error:
        raise ServiceError(f"the response is not a valid {message_type.DESCRIPTOR.full_name}: {error}") from None
