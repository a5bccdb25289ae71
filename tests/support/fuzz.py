"""Messages that nobody would send: random bytes, and good messages cut, doubled, spliced and flipped; seeded."""

import random
from collections.abc import Iterator, Sequence


def hostile_messages(good: Sequence[bytes], count: int, seed: int = 0) -> Iterator[bytes]:
    """Yield `count` messages: one in eight random, the others good ones with one to four wounds."""
    rng = random.Random(seed)  # noqa: S311 - repeatable is what is wanted
    for index in range(count):
        if index % 8 == 0:
            yield rng.randbytes(rng.randrange(64))
            continue
        message = bytearray(rng.choice(good))
        for _ in range(rng.randrange(1, 5)):
            _wound(message, rng, good)
        yield bytes(message)


def _wound(message: bytearray, rng: random.Random, good: Sequence[bytes]) -> None:
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
        message += rng.choice(good)
    else:
        # What lengths, tags and floats are made of: ends of ranges, NaN, infinity, overlong varints.
        message[start:start] = rng.choice(
            (
                b"\x00",
                b"\x7f",
                b"\x80\x01",
                b"\xff" * 10,
                b"\x0a\x00",
                b"\x00\x00\xc0\x7f",
                b"\x00\x00\x80\xff",
                b"\x0b",
            )
        )
