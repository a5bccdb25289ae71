"""
The model files of the Go trainer: one JSON object per network, read with every check and written as Go writes it.

The keys, shapes and orientation are those of the trainer's two structs: rows are output units, so a matrix is already
in the orientation of `torch.nn.Linear.weight`; `biasesOutput` makes a policy, `biasOutput` a value.
"""

import difflib
import json
import math
import re
from collections import Counter
from decimal import Decimal
from itertools import chain, islice
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import numpy as np

from runoff.errors import ModelError, quote
from runoff.files.untrusted_file import read_bytes
from runoff.models.mlp import Float64Array, Kind, Mlp

# The largest real model is 0.5 MB; at this limit a file still parses in a few seconds.
MAX_FILE_BYTES = 64 * 2**20
# 200 times the largest layer seen (256); checked before any array is made.
MAX_LAYER_SIZE = 65_536
# float64 needs 17 digits; Go writes none longer than 309 of them (1e308 without exponent never happens).
_MAX_INTEGER_DIGITS = 400
# A near miss is looked for among the first keys only: a hostile file may have millions.
_MAX_KEYS_SEARCHED = 1000
_NEGATIVE_ZERO = re.compile(rb"(?<![eE])-0(?![.eE])")

_SIZES = ("inputSize", "hiddenSize", "outputSize")
_COMMON_KEYS = ("inputSize", "hiddenSize", "weightsInputHidden", "biasesHidden", "weightsHiddenOutput")
_KNOWN_KEYS = (*_COMMON_KEYS, "outputSize", "biasesOutput", "biasOutput")


def read(path: Path) -> Mlp:
    """
    Read a network from a Go trainer's JSON file.

    Args:
        path: The file, usually named `*.model`.

    Returns:
        The network, its float64 numbers exactly those of the file.

    Raises:
        ModelError: If the file cannot be read or is not such a network; says which field, found and wanted.
    """
    return parse(read_bytes(path, MAX_FILE_BYTES), str(path))


def parse(content: bytes, where: str) -> Mlp:
    """
    Parse a network from the content of a Go trainer's JSON file.

    Args:
        content: The file's bytes.
        where: What to call the file in messages.

    Returns:
        The network.

    Raises:
        ModelError: As `read`.
    """
    return _Reader(where, _parse_plain(content) or _parse_object(content, where)).network()


def write(mlp: Mlp) -> bytes:
    """
    Return a network as the Go trainer writes it: keys in order, shortest decimals, no white space.

    Reading a trainer's file and writing it again gives the same bytes.
    """
    document: dict[str, Any] = {
        "inputSize": mlp.input_size,
        "hiddenSize": mlp.hidden_size,
        "weightsInputHidden": mlp.weights_hidden,
        "biasesHidden": mlp.biases_hidden,
        "weightsHiddenOutput": mlp.weights_output,
    }
    if mlp.kind is Kind.POLICY:
        document |= {"outputSize": mlp.output_size, "biasesOutput": mlp.biases_output}
    else:
        document |= {"biasOutput": mlp.biases_output[0]}
    return ("{" + ",".join(f'"{key}":{_go_text(document[key])}' for key in sorted(document)) + "}").encode()


def _go_text(value: Any) -> str:
    """Return a size, number, vector or matrix as Go's encoding/json prints it."""
    if isinstance(value, np.ndarray):
        return "[" + ",".join(_go_text(item) for item in value) + "]"
    return str(value) if isinstance(value, int) else _go_float(float(value))


def _go_float(number: float) -> str:
    """Return a float64 as Go's encoding/json prints it (floatEncoder in its encode.go)."""
    if 1e-6 <= abs(number) < 1e21:
        shown = repr(number)
        shown = format(Decimal(shown), "f") if "e" in shown else shown
        return shown.removesuffix(".0")
    if number == 0:
        return "-0" if math.copysign(1.0, number) < 0 else "0"
    mantissa, exponent = f"{number!r}".split("e") if "e" in repr(number) else f"{Decimal(repr(number)):e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent):+d}"


def _decode(content: bytes, where: str) -> str:
    """Return a file's text, which must be UTF-8 without a byte-order mark."""
    if not content:
        raise ModelError(f"{where}: is empty, expected a JSON object")
    if content.startswith(b"\xef\xbb\xbf"):
        raise ModelError(f"{where}: starts with a byte-order mark, expected plain UTF-8; save it without one")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ModelError(f"{where}: byte {error.start} is not UTF-8, expected JSON in UTF-8") from None


def _parse_plain(content: bytes) -> dict[str, Any] | None:
    """Parse a file four times as fast, unless only the careful way might see something in it; None then."""
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    # Two quotes to a key: no key stands there twice and nothing is a string. An integer -0 would lose its sign.
    plain = isinstance(document, dict) and content.count(b'"') == 2 * len(document)
    return document if plain and not _NEGATIVE_ZERO.search(content) else None


def _parse_object(content: bytes, where: str) -> dict[str, Any]:
    """Parse strict JSON; every way in which it can be broken becomes a ModelError."""

    def parse_integer(digits: str) -> int | float:
        if len(digits) > _MAX_INTEGER_DIGITS:
            raise ModelError(f"{where}: an integer of {len(digits)} digits, expected a float64")
        return -0.0 if digits == "-0" else int(digits)

    def reject_constant(literal: str) -> NoReturn:
        raise ModelError(f"{where}: the literal {literal}, expected finite numbers (and {literal} is not JSON)")

    def reject_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        document = dict(pairs)
        if len(document) < len(pairs):
            times = Counter(key for key, _ in pairs)
            twice = next(key for key, count in times.items() if count > 1)
            raise ModelError(f"{where}: the key {quote(twice)} stands there more than once, expected each key once")
        return document

    text = _decode(content, where)
    try:
        document = json.loads(
            text, parse_int=parse_integer, parse_constant=reject_constant, object_pairs_hook=reject_duplicates
        )
    except json.JSONDecodeError as error:
        raise ModelError(
            f"{where}: is not JSON at line {error.lineno}, column {error.colno}: {error.msg};"
            " the file may be truncated, or something may follow the object"
        ) from None
    except RecursionError:
        raise ModelError(f"{where}: is nested too deeply, expected arrays of numbers at most two deep") from None
    if not isinstance(document, dict):
        raise ModelError(f"{where}: holds {_json_type(document)}, expected a JSON object")
    return document


def _json_type(value: object) -> str:
    """Return what JSON calls the type of a parsed value."""
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")


class _Reader:
    """Takes a network out of one parsed document, checking each field as it is taken."""

    def __init__(self, where: str, document: dict[str, Any]) -> None:
        self.where = where
        self.document = document

    def network(self) -> Mlp:
        for key in _COMMON_KEYS:
            self.require(key)
        kind = self.kind()
        input_size, hidden_size = self.size("inputSize"), self.size("hiddenSize")
        if kind is Kind.POLICY:
            self.require("outputSize")
            output_size = self.size("outputSize")
            biases_output = self.vector("biasesOutput", output_size, "outputSize")
        else:
            output_size = self.size("outputSize") if "outputSize" in self.document else 1
            if output_size != 1:
                self.fail("outputSize", f"is {output_size} in a value network", "1, or no such key")
            biases_output = np.array([self.number("biasOutput")])
        return Mlp(
            kind=kind,
            weights_hidden=self.matrix("weightsInputHidden", hidden_size, input_size),
            biases_hidden=self.vector("biasesHidden", hidden_size, "hiddenSize"),
            weights_output=self.matrix("weightsHiddenOutput", output_size, hidden_size),
            biases_output=biases_output,
        )

    def fail(self, key: str, found: str, wanted: str) -> NoReturn:
        raise ModelError(f"{self.where}: {key} {found}, expected {wanted}")

    def require(self, key: str) -> None:
        if key in self.document:
            return
        keys = islice(self.document, _MAX_KEYS_SEARCHED)
        strangers = [other[:80] for other in keys if other not in _KNOWN_KEYS]
        near = difflib.get_close_matches(key, strangers, n=1) or [s for s in strangers if s.startswith(key)][:1]
        hint = f"; found {quote(near[0])}, was {key} meant?" if near else ""
        raise ModelError(f"{self.where}: the key {key} is missing{hint}")

    def kind(self) -> Kind:
        policy, value = "biasesOutput" in self.document, "biasOutput" in self.document
        if policy and value:
            self.fail("biasesOutput", "and biasOutput are both there", "biasesOutput (policy) or biasOutput (value)")
        if not policy and not value:
            self.require("biasesOutput" if "outputSize" in self.document else "biasOutput")
        return Kind.POLICY if policy else Kind.VALUE

    def size(self, key: str) -> int:
        size = self.document[key]
        if type(size) is not int:
            self.fail(key, f"is {_json_type(size)} ({quote(size)})", "a whole number without decimals")
        if not 1 <= size <= MAX_LAYER_SIZE:
            self.fail(key, f"is {quote(size)}", f"1 to {MAX_LAYER_SIZE}")
        return int(size)

    def number(self, key: str) -> float:
        number = self.document[key]
        if type(number) not in (int, float):
            self.fail(key, f"is {_json_type(number)} ({quote(number)})", "a number")
        return float(self.checked(key, [number], is_scalar=True)[0])

    def vector(self, key: str, size: int, size_key: str) -> Float64Array:
        row = self.document[key]
        if not isinstance(row, list):
            self.fail(key, f"is {_json_type(row)}", f"an array of {size} numbers")
        if len(row) != size:
            self.fail(key, f"has {len(row)} numbers", f"{size}, as {size_key} says")
        return self.checked(key, row)

    def matrix(self, key: str, rows: int, columns: int) -> Float64Array:
        matrix = self.document[key]
        wanted = f"an array of {rows} rows of {columns} numbers"
        if not isinstance(matrix, list) or not matrix:
            self.fail(key, "is an empty array" if matrix == [] else f"is {_json_type(matrix)}", wanted)
        for index, row in enumerate(matrix):
            if not isinstance(row, list):
                self.fail(f"{key}[{index}]", f"is {_json_type(row)}", f"a row of {columns} numbers")
        lengths = [len(row) for row in matrix]
        if len(set(lengths)) > 1:
            odd = next(index for index, length in enumerate(lengths) if length != columns)
            other = next(index for index, length in enumerate(lengths) if length != lengths[odd])
            found = f"row {odd} has {lengths[odd]} numbers, row {other} has {lengths[other]}"
            self.fail(key, f"is ragged: {found}", wanted)
        shape = (len(matrix), len(matrix[0]))
        if shape != (rows, columns):
            transposed = "; it looks transposed" if shape == (columns, rows) else ""
            sizes = ", ".join(f"{name} {self.document[name]}" for name in _SIZES if name in self.document)
            self.fail(key, f"has shape {shape}", f"{(rows, columns)} by {sizes}{transposed}")
        return self.checked(key, list(chain.from_iterable(matrix)), columns).reshape(rows, columns)

    def checked(self, key: str, numbers: list[Any], columns: int = 0, is_scalar: bool = False) -> Float64Array:
        def name(index: int) -> str:
            if is_scalar:
                return key
            return f"{key}[{index // columns}][{index % columns}]" if columns else f"{key}[{index}]"

        if not set(map(type, numbers)) <= {int, float}:
            index, item = next((i, item) for i, item in enumerate(numbers) if type(item) not in (int, float))
            self.fail(name(index), f"is {_json_type(item)} ({quote(item)})", "a number")
        with np.errstate(over="ignore"):
            try:
                array = np.array(numbers, dtype=np.float64)
            except OverflowError:
                self.fail(key, "holds an integer over the range of float64", "numbers that float32 can hold")
            finite = np.isfinite(array.astype(np.float32))
        if not finite.all():
            index = int(finite.argmin())
            found = f"{array[index]:g}" if np.isfinite(array[index]) else "over the range of float64"
            self.fail(name(index), f"is {found}", "a number that float32 can hold (up to 3.4e38)")
        return array
