"""
Reads and writes the part of protobuf's wire format in which a batch of samples of equal length is a matrix.

The bytes of a repeated message whose entries have equal lengths are a row-major matrix with a few constant columns,
namely tags and lengths. NumPy reads and writes such a matrix at the speed of memory, whereas protobuf's Python classes
handle each number by itself: 1024 samples of 81 features decode in 0.06 ms instead of 2.5 ms. The callers leave every
other layout to protobuf. The format is described at https://protobuf.dev/programming-guides/encoding/
"""

import numpy as np
import numpy.typing as npt

from runoff.models.mlp import Float32Array

BytesArray = npt.NDArray[np.uint8]

# Field number and wire type as one byte: (number << 3) | type; 2 is length-delimited, 5 is 32 bits, 0 a varint.
FIELD_1_BYTES, FIELD_2_FLOAT, FIELD_3_VARINT = 0x0A, 0x15, 0x18
LITTLE_ENDIAN_FLOAT = np.dtype("<f4")


def varint(number: int, width: int = 1) -> bytes:
    """Return a non-negative number as a varint of at least `width` bytes; padding it is legal."""
    encoded = bytearray()
    while number >= 0x80 or len(encoded) < width - 1:
        encoded.append(0x80 | number & 0x7F)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def read_varint(message: bytes, start: int) -> tuple[int, int]:
    """Return the varint at `start` and the offset after it; (-1, start) if there is no varint of at most 5 bytes."""
    number = 0
    for index, byte in enumerate(message[start : start + 5]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, start + index + 1
    return -1, start


def field_1_header(length: int) -> bytes:
    """Return the tag and the length that precede `length` bytes of field 1."""
    return bytes((FIELD_1_BYTES,)) + varint(length)


def text_field(number: int, text: str) -> bytes:
    """Return a string field; no bytes for an empty string, which proto3 does not send."""
    content = text.encode()
    return varint(number << 3 | 2) + varint(len(content)) + content if content else b""


def float_bytes(rows: Float32Array) -> BytesArray:
    """Return a C-contiguous array, shape (n, k), as its little-endian bytes, shape (n, 4 k)."""
    return rows.astype(LITTLE_ENDIAN_FLOAT, copy=False).view(np.uint8)


def floats(rows: BytesArray) -> Float32Array:
    """Return little-endian bytes, shape (4 k) or (n, 4 k), as a new C-contiguous float32 array, shape (k) or (n, k)."""
    copy = np.array(rows, order="C")
    return copy.view(LITTLE_ENDIAN_FLOAT).astype(np.float32, copy=False)


def floats_in(message: bytes, start: int, end: int) -> Float32Array:
    """Return the bytes from `start` to `end`, a multiple of 4, as a new float32 array of shape (1, floats)."""
    return np.frombuffer(message, LITTLE_ENDIAN_FLOAT, (end - start) // 4, start).astype(np.float32).reshape(1, -1)


def is_constant(rows: BytesArray) -> bool:
    """Return whether all rows are equal, which also holds for no rows at all."""
    return bool((rows == rows[:1]).all())


def split_field_1(message: bytes) -> tuple[int, int]:
    """Return start and end of a leading field 1's content; (0, 0) if the message has no complete one."""
    if not message or message[0] != FIELD_1_BYTES:
        return 0, 0
    length, start = read_varint(message, 1)
    return (start, start + length) if 0 <= length <= len(message) - start else (0, 0)


def leading_entries(message: bytes) -> tuple[BytesArray, int]:
    """
    Find the entries of repeated field 1 at the start of a message that have the same length as the first.

    Args:
        message: A serialized message.

    Returns:
        The contents of the entries as a view, shape (entries, bytes per entry), and the offset after the last entry.
    """
    start, stride = split_field_1(message)
    if not stride:
        return np.empty((0, 0), np.uint8), 0
    count = len(message) // stride
    rows = np.frombuffer(message, np.uint8, count * stride).reshape(count, stride)
    same = (rows[:, :start] == rows[0, :start]).all(axis=1)
    if not same.all():
        count = int(same.argmin())
    return rows[:count, start:], count * stride
