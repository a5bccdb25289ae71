"""Malformed JSON is rejected with a reason, and the fast parser gives the same result as the careful parser."""

import json
import struct

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runoff.models.strict_json import _parse_carefully, _parse_fast
from tests.support.model_json import POLICY, encoded, error_message, with_literal
from tests.support.test_size import scaled

_NUMBERS = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-(2**70), 2**70)
_DOCUMENTS = st.dictionaries(st.text(max_size=5), st.lists(st.lists(_NUMBERS, max_size=3), max_size=3), max_size=4)


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_literal_that_is_not_a_number_is_rejected(literal: str) -> None:
    """Python's json module accepts NaN and Infinity, but weights must be finite, so these literals are rejected."""
    assert f"contains the literal {literal}" in error_message(with_literal(POLICY, "biasesHidden", literal))


def test_duplicate_key_is_rejected() -> None:
    """If a key occurs twice, some JSON parsers use its first value and others its last, so the file is ambiguous."""
    assert "'inputSize' occurs more than once" in error_message(encoded(POLICY)[:-1] + b',"inputSize":5}')


def test_duplicate_among_many_keys_is_found_in_linear_time() -> None:
    """With a quadratic search for duplicate keys, parsing this file took half a minute, which could be exploited."""
    content = "{" + ",".join(f'"{index}":0' for index in range(40_000)) + ',"39999":0}'
    assert "'39999'" in error_message(content.encode())


NESTED = {
    "arrays": b"[" * 100_000,
    "objects": b'{"a":' * 100_000,
    "within": b'{"inputSize":' + b"[" * 9000 + b"]" * 9000,
}


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in NESTED.items()])
def test_deep_nesting_is_rejected_without_a_traceback(content: bytes) -> None:
    """Deeply nested JSON can overflow the stack of a recursive parser and crash the process, so it must be rejected."""
    assert "nested too deeply" in error_message(content)


@pytest.mark.parametrize("key", ["inputSize", "biasesHidden"])
def test_integer_of_thousands_of_digits_is_rejected(key: str) -> None:
    """Python's own error for a very long integer would confuse users, because it names an interpreter setting."""
    assert "an integer of 5000 digits" in error_message(with_literal(POLICY, key, "1" * 5000))


BROKEN = {
    "byte-order-mark": (b"\xef\xbb\xbf" + encoded(POLICY), "byte-order mark"),
    "empty": (b"", "is empty"),
    "white-space": (b" \n", "is not JSON"),
    "truncated": (encoded(POLICY)[:-9], "may be truncated"),
    "data-after-the-object": (encoded(POLICY) + b"{}", "data after the object"),
    "array": (b"[]", "contains an array, expected a JSON object"),
    "number": (b"1", "contains a number"),
    "string": (b'"x"', "contains a string"),
    "null": (b"null", "contains null"),
    "latin-1": (b'{"caf\xe9":1}', "byte 5 is not UTF-8"),
    "utf-16": (json.dumps(POLICY).encode("utf-16"), "is not UTF-8"),
    "binary": (bytes(range(1, 100)), "is not JSON"),
}


@pytest.mark.parametrize(("content", "reason"), [pytest.param(*case, id=name) for name, case in BROKEN.items()])
def test_content_that_is_not_a_json_object_is_rejected(content: bytes, reason: str) -> None:
    """Each fault of a JSON file needs a different correction, so the message must describe the actual fault."""
    assert reason in error_message(content)


def _bits(document: dict[str, list[list[float]]]) -> dict[str, list[list[bytes]]]:
    """Convert each number in a JSON document to its bits, so that a comparison distinguishes -0.0 from 0.0."""
    return {key: [[struct.pack("<d", float(n)) for n in row] for row in rows] for key, rows in document.items()}


# Hypothesis's time limit per example is off, because the test must also pass on a busy machine.
@settings(max_examples=scaled(300), deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_DOCUMENTS)
def test_fast_and_careful_parser_give_the_same_numbers(document: dict[str, list[list[float]]]) -> None:
    """A file's weights must be the same for both parsers, down to the last bit."""
    content = json.dumps(document).encode()
    fast = _parse_fast(content)
    if fast is not None:
        assert _bits(_parse_carefully(content, "x")) == _bits(fast)  # type: ignore[arg-type]  # parsed from `document`


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b'{"a":1,"a":2}', id="double-key"),
        pytest.param(b'{"a":-0}', id="minus-zero"),
        pytest.param(b'{"a":[-0 ,1]}', id="minus-zero-in-list"),
        pytest.param(b'{"a":NaN}', id="nan"),
        pytest.param(b'{"a":1e400}', id="overflow"),
        pytest.param(b"\xef\xbb\xbf{}", id="byte-order-mark"),
        pytest.param(b"[1]", id="list"),
        pytest.param(b'{"a":"b"}', id="string"),
    ],
)
def test_fast_parser_leaves_doubtful_files_to_the_careful_one(content: bytes) -> None:
    """The fast parser would lose duplicate keys and the sign of an integer zero, so it must not parse such files."""
    assert _parse_fast(content) is None


def test_ordinary_file_is_parsed_by_the_fast_parser() -> None:
    """The careful parser takes four times as long as the fast parser, so ordinary files must use the fast parser."""
    assert _parse_fast(b'{"a":[0,-0.5,1e-07,-3]}') == {"a": [0, -0.5, 1e-07, -3]}
