"""Generates malformed messages: random bytes, and valid messages that have been changed at random."""

import random
from collections.abc import Iterator, Sequence

# Bytes that are special in protobuf messages or as floats: the smallest and largest one-byte lengths, a two-byte
# varint, a varint that is too long, an empty field, NaN, minus infinity, and the tag that starts a group.
_SPECIAL_BYTES = (
    b"\x00",
    b"\x7f",
    b"\x80\x01",
    b"\xff" * 10,
    b"\x0a\x00",
    b"\x00\x00\xc0\x7f",
    b"\x00\x00\x80\xff",
    b"\x0b",
)


def hostile_messages(valid: Sequence[bytes], count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield `count` messages: one in eight is random bytes, and the others are valid messages with 1 to 4 changes."""
    rng = random.Random(seed)  # noqa: S311 - a failure must be repeatable
    for index in range(count):
        if index % 8 == 0:
            yield rng.randbytes(rng.randrange(64))
            continue
        message = bytearray(rng.choice(valid))
        for _ in range(rng.randrange(1, 5)):
            _change(message, rng, valid)
        yield bytes(message)


def _change(message: bytearray, rng: random.Random, valid: Sequence[bytes]) -> None:
    """Apply one random change to a message, in place."""
    start = rng.randrange(len(message) + 1)
    end = min(len(message), start + rng.randrange(1, 9))
    kind = rng.randrange(7)
    if kind == 0:
        del message[start:end]
    elif kind == 1:
        message[start:start] = message[start:end]
    elif kind == 2:
        message[start:end] = rng.randbytes(end - start)
    elif kind == 3 and message:
        message[min(start, len(message) - 1)] ^= 1 << rng.randrange(8)
    elif kind == 4:
        del message[start:]
    elif kind == 5:
        message += rng.choice(valid)
    else:
        message[start:start] = rng.choice(_SPECIAL_BYTES)
