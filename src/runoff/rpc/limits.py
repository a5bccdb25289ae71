"""Limits on the messages and batches of one gRPC call."""

# The largest batch, 65,536 samples of 81 features, makes a message of 22 MB. gRPC's own default of 4 MiB would be
# reached at 12,000 samples.
MAX_MESSAGE_BYTES = 32 * 2**20
# A larger batch could occupy the service for seconds.
MAX_BATCH_SIZE = 65_536
# Protobuf makes an object of every field, and a field can be as short as 2 bytes: parsing 32 MiB of empty entries takes
# about a second, with the interpreter lock held, and a gigabyte of memory. At 2 MiB, the worst message of our tests
# takes 70 ms and 63 MiB. Larger messages must consist of packed or raw numbers, except for 2 MiB.
MAX_PARSED_BYTES = 2 * 2**20


class UnusualLayoutError(ValueError):
    """A message that is too large to be parsed by protobuf and has a layout that the codecs do not read themselves."""


def check_parsed_size(size: int) -> None:
    """
    Raise UnusualLayoutError if protobuf would parse more than MAX_PARSED_BYTES of a message.

    The argument is the size in bytes without a tensor's packed numbers, which protobuf copies as a whole.
    """
    if size > MAX_PARSED_BYTES:
        raise UnusualLayoutError(
            f"{size} bytes of the message are neither raw nor packed numbers, the limit is {MAX_PARSED_BYTES}; send"
            " samples of equal length as packed floats and before all other fields, tensors as raw contents, or fewer"
            " samples"
        )


def message_options(max_message_bytes: int) -> list[tuple[str, int]]:
    """Return the gRPC channel arguments that limit the size of messages, for a client or a server."""
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
    ]
