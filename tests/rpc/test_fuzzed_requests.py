"""The request decoders read malformed messages in the same way as protobuf's own parser."""

from collections.abc import Callable

import psutil
import pytest
from google.protobuf.message import DecodeError

from tests.support.fuzz import hostile_messages
from tests.support.request_decoders import DECODERS, Content, Decoder
from tests.support.test_size import scaled

MESSAGES = scaled(100_000)
# The process's memory after SETTLED_MESSAGES, when allocators and caches no longer grow, is compared with its memory
# after the last message. The observed growth in 80,000 messages is 0.4 MiB.
SETTLED_MESSAGES, MAX_GROWTH_BYTES = MESSAGES // 5, 4 * 2**20


def outcome(decode: Callable[[bytes], Content], message: bytes) -> str:
    """Return a decoder's result as text, in which NaN equals NaN."""
    try:
        return repr(decode(message))
    except DecodeError:
        return "no protobuf"


@pytest.mark.parametrize("decoder", DECODERS, ids=lambda decoder: decoder.method.split("/")[1])
def test_decoder_agrees_with_protobuf_on_malformed_messages(decoder: Decoder) -> None:
    """A decoder must neither read numbers that the client did not send nor keep messages in memory."""
    process = psutil.Process()
    accepted = settled_bytes = 0
    for index, message in enumerate(hostile_messages(decoder.valid, MESSAGES)):
        if index == SETTLED_MESSAGES:
            settled_bytes = process.memory_info().rss
        expected = outcome(decoder.reference, message)
        assert expected == outcome(decoder.decode, message), message
        accepted += expected != "no protobuf"
    # The test is only meaningful if many messages are valid and many are not.
    assert 0.1 < accepted / MESSAGES < 0.9
    assert process.memory_info().rss < settled_bytes + MAX_GROWTH_BYTES
