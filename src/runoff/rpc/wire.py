"""
Uses NumPy to read and write serialized protobuf messages whose samples all have the same length.

Serialized samples of equal length form a row-major matrix of bytes, in which a few columns, the tags and lengths, are
constant. NumPy copies such a matrix in one step, whereas protobuf's Python classes handle one number at a time: 1024
samples of 81 features are decoded in 0.06 ms instead of 2.5 ms. Protobuf reads messages of any other layout.
The format is described at https://protobuf.dev/programming-guides/encoding/
"""

import numpy as np
import numpy.typing as npt

from runoff.models.mlp import Float32Array

BytesArray = npt.NDArray[np.uint8]

# Tags are (field number << 3) | wire type. Wire type 2 is length-delimited, 5 is a 32-bit number, and 0 is a varint.
FIELD_1_BYTES, FIELD_2_FLOAT, FIELD_3_VARINT = 0x0A, 0x15, 0x18
LITTLE_ENDIAN_FLOAT = np.dtype("<f4")


def varint(number: int, width: int = 1) -> bytes:
    """Encode a non-negative number as a varint, padded to at least `width` bytes (protobuf allows padding)."""
    encoded = bytearray()
    while number >= 0x80 or len(encoded) < width - 1:
        encoded.append(0x80 | number & 0x7F)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def read_varint(message: bytes, start: int) -> tuple[int, int]:
    """Return the varint at `start` and the offset after it, or (-1, start) if it is cut off or longer than 5 bytes."""
    number = 0
    for index, byte in enumerate(message[start : start + 5]):
        number |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return number, start + index + 1
    return -1, start


def field_1_header(length: int) -> bytes:
    """Return the header of field 1, which consists of its tag and the length of its content in bytes."""
    return bytes((FIELD_1_BYTES,)) + varint(length)


def text_field(number: int, text: str) -> bytes:
    """Return a serialized string field, or no bytes if the string is empty, because proto3 omits empty fields."""
    content = text.encode()
    return varint(number << 3 | 2) + varint(len(content)) + content if content else b""


def float_bytes(rows: Float32Array) -> BytesArray:
    """Return the little-endian bytes, shape (n, 4 k), of a C-contiguous float32 array of shape (n, k)."""
    return rows.astype(LITTLE_ENDIAN_FLOAT, copy=False).view(np.uint8)


def floats(rows: BytesArray) -> Float32Array:
    """Return little-endian bytes, shape (4 k) or (n, 4 k), as a new C-contiguous float32 array, shape (k) or (n, k)."""
    copy = np.array(rows, order="C")
    return copy.view(LITTLE_ENDIAN_FLOAT).astype(np.float32, copy=False)


def floats_in(message: bytes, start: int, end: int) -> Float32Array:
    """Return the little-endian floats between two offsets of a message as a new float32 array of shape (1, count)."""
    return np.frombuffer(message, LITTLE_ENDIAN_FLOAT, (end - start) // 4, start).astype(np.float32).reshape(1, -1)


def is_constant(rows: BytesArray) -> bool:
    """Return whether all rows are equal. The result is True if there are no rows."""
    return bool((rows == rows[:1]).all())


def split_field_1(message: bytes) -> tuple[int, int]:
    """Return start and end of field 1's content, or (0, 0) if the message does not begin with a complete field 1."""
    if not message or message[0] != FIELD_1_BYTES:
        return 0, 0
    length, start = read_varint(message, 1)
    return (start, start + length) if 0 <= length <= len(message) - start else (0, 0)


def leading_entries(message: bytes) -> tuple[BytesArray, int]:
    """
    Find the entries of repeated field 1 at the start of a message, up to the first entry of a different length.

    Args:
        message: A serialized message.

    Returns:
        The contents of these entries as a view, shape (entries, bytes per entry), and the offset after the last one.
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
