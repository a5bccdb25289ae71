"""Limits on the messages and batches of one call."""

# gRPC's own default of 4 MiB is reached at 12,000 samples of 81 features.
MAX_MESSAGE_BYTES = 64 * 2**20
# 65,536 samples of 81 features are 22 MB of messages; one call must not hold the service for seconds.
MAX_BATCH_SIZE = 65_536


def message_options(max_message_bytes: int) -> list[tuple[str, int]]:
    """Return the channel arguments that limit messages, for either side."""
    return [
        ("grpc.max_receive_message_length", max_message_bytes),
        ("grpc.max_send_message_length", max_message_bytes),
    ]
