"""The fast way of parsing a model file must see what the careful way sees, or leave the file to it."""

import json
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runoff.models.go_json import _parse_object, _parse_plain

_NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
_DOCUMENTS = st.dictionaries(st.text(max_size=5), st.lists(st.lists(_NUMBERS, max_size=3), max_size=3), max_size=4)


def _bits(document: dict[str, list[list[float]]]) -> dict[str, list[list[bytes]]]:
    """Return a document with each number as its bits, so that -0.0 and 0.0 differ."""
    return {key: [[struct.pack("<d", float(n)) for n in row] for row in rows] for key, rows in document.items()}


@given(_DOCUMENTS)
def test_both_ways_give_the_same_numbers(document: dict[str, list[list[float]]]) -> None:
    """Bit for bit, as float64."""
    content = json.dumps(document).encode()
    fast = _parse_plain(content)
    if fast is not None:
        assert _bits(_parse_object(content, "x")) == _bits(fast)


@pytest.mark.parametrize(
    "content",
    [
        b'{"a":1,"a":2}',
        b'{"a":-0}',
        b'{"a":[-0 ,1]}',
        b'{"a":NaN}',
        b'{"a":1e400}',
        b"\xef\xbb\xbf{}",
        b"[1]",
        b'{"a":"b"}',
    ],
    ids=["double-key", "minus-zero", "minus-zero-in-list", "nan", "overflow", "byte-order-mark", "list", "string"],
)
def test_doubtful_file_is_left_to_the_careful_way(content: bytes) -> None:
    """The fast parser keeps the last of two equal keys and drops the sign of an integer zero."""
    assert _parse_plain(content) is None


def test_ordinary_file_takes_the_fast_way() -> None:
    """Else nothing is gained."""
    assert _parse_plain(b'{"a":[0,-0.5,1e-07,-3]}') == {"a": [0, -0.5, 1e-07, -3]}
