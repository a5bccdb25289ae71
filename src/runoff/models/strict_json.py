"""Parse one JSON object from an untrusted file. Malformed JSON of any kind raises ModelError."""

import json
import re
from collections import Counter
from typing import NoReturn

import msgspec

from runoff.errors import ModelError, quote

# The largest float64 has 309 digits when it is written without an exponent, so this limit rejects no valid number.
_MAX_INTEGER_DIGITS = 400
_NEGATIVE_ZERO = re.compile(rb"(?<![eE])-0(?![.eE])")


def parse_object(content: bytes, where: str) -> dict[str, object]:
    """
    Parse the content of a file as a JSON object. An integer -0 becomes the float -0.0, which keeps the sign.

    Args:
        content: The file's bytes.
        where: Name of the file, for error messages.

    Raises:
        ModelError: If the content is not strict JSON in UTF-8, is not an object, repeats a key, or is nested too deep.
    """
    return _parse_fast(content) or _parse_carefully(content, where)


def json_type(value: object) -> str:
    """Return the JSON type of a parsed value for a message, such as `an array`."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


def _parse_fast(content: bytes) -> dict[str, object] | None:
    """Parse an object with msgspec, four times as fast as `json`. Return None if msgspec fails or may misread it."""
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    # msgspec keeps only the last of several equal keys, and drops the sign of an integer -0. If the file has exactly
    # two quotation marks for each key of the result, no key is repeated and no value is a string.
    is_plain = isinstance(document, dict) and content.count(b'"') == 2 * len(document)
    return document if is_plain and not _NEGATIVE_ZERO.search(content) else None


def _parse_carefully(content: bytes, where: str) -> dict[str, object]:
    """Parse a JSON object with the standard library. Raise ModelError with an explanation if it is invalid."""

    def parse_integer(digits: str) -> int | float:
        if len(digits) > _MAX_INTEGER_DIGITS:
            raise ModelError(f"{where}: contains an integer of {len(digits)} digits, expected numbers up to 1e308")
        return -0.0 if digits == "-0" else int(digits)

    def reject_constant(literal: str) -> NoReturn:
        raise ModelError(f"{where}: contains the literal {literal}, which is not JSON; expected finite numbers")

    def reject_duplicates(pairs: list[tuple[str, object]]) -> dict[str, object]:
        document = dict(pairs)
        if len(document) < len(pairs):
            counts = Counter(key for key, _ in pairs)
            repeated = next(key for key, count in counts.items() if count > 1)
            raise ModelError(f"{where}: the key {quote(repeated)} occurs more than once, expected each key once")
        return document

    text = _decode(content, where)
    try:
        document = json.loads(
            text, parse_int=parse_integer, parse_constant=reject_constant, object_pairs_hook=reject_duplicates
        )
    except json.JSONDecodeError as error:
        raise ModelError(
            f"{where}: is not JSON at line {error.lineno}, column {error.colno}: {error.msg};"
            " the file may be truncated or contain data after the object"
        ) from None
    except RecursionError:
        raise ModelError(f"{where}: is nested too deeply, expected arrays of numbers at most two deep") from None
    if not isinstance(document, dict):
        raise ModelError(f"{where}: contains {json_type(document)}, expected a JSON object")
    return document


def _decode(content: bytes, where: str) -> str:
    """Decode a file's content. Raise ModelError if it is empty, is not UTF-8 or starts with a byte-order mark."""
    if not content:
        raise ModelError(f"{where}: is empty, expected a JSON object")
    if content.startswith(b"\xef\xbb\xbf"):
        raise ModelError(f"{where}: starts with a byte-order mark, expected plain UTF-8; save it without the mark")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{where}: byte {error.start} is not UTF-8, expected JSON in UTF-8") from None
