"""Limits on the size of the messages and batches in one gRPC call."""

# The largest batch, 65,536 samples of 81 features, is a message of 22 MB. gRPC's default limit of 4 MiB would allow
# only 12,000 such samples.
MAX_MESSAGE_BYTES = 32 * 2**20
# A batch of more than 65,536 samples could keep the service busy for seconds.
MAX_BATCH_SIZE = 65_536
# Protobuf creates an object for every field, and a field can be as short as 2 bytes. Parsing 32 MiB of such fields
# takes a gigabyte of memory and one second, in which no other Python code runs. Parsing 2 MiB took at most 63 MiB and
# 70 ms in tests. Packed and raw numbers do not count towards this limit, because they are fast to read.
MAX_PARSED_BYTES = 2 * 2**20


class UnusualLayoutError(ValueError):
    """Raised for a message that runoff's fast decoder cannot read and that is too large for protobuf's slow one."""


def check_parsed_size(size: int) -> None:
    """
    Raise UnusualLayoutError if protobuf would have to parse more than MAX_PARSED_BYTES of a message.

    `size` is in bytes. It excludes a tensor's packed numbers, because protobuf copies them in one step.
    """
    if size > MAX_PARSED_BYTES:
        raise UnusualLayoutError(
            f"{size} bytes of the message are neither raw nor packed numbers, the limit is {MAX_PARSED_BYTES}; send"
            " samples of equal length as packed floats and before all other fields, tensors as raw contents, or fewer"
            " samples"
        )


def message_options(max_message_bytes: int) -> list[tuple[str, int]]:
    """Return gRPC options that limit the size of sent and received messages. They apply to clients and servers."""
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
    ]
