"""
Read the model files of the Go trainer: one JSON object per network, with every field checked.

The keys and shapes are those of the trainer's two Go structs. The rows of a matrix are output units, as in
`torch.nn.Linear.weight`. A file with the key `biasesOutput` is a policy network, one with `biasOutput` a value network.
"""

import difflib
from itertools import chain, islice
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from runoff.errors import ModelError, quote
from runoff.files.untrusted_file import read_bytes
from runoff.models.mlp import Float64Array, Kind, Mlp
from runoff.models.strict_json import json_type, parse_object

# Larger files are rejected. The largest real model has 0.5 MB, and even 64 MiB are parsed in a few seconds.
MAX_FILE_BYTES = 64 * 2**20
# Larger layers are rejected before arrays are allocated. The largest hidden layer of any real model has 256 units.
MAX_LAYER_SIZE = 65_536
# A malicious file may contain millions of keys, so only the first ones are searched for a misspelled key.
_MAX_KEYS_SEARCHED = 1000

_SIZE_KEYS = ("inputSize", "hiddenSize", "outputSize")
_COMMON_KEYS = ("inputSize", "hiddenSize", "weightsInputHidden", "biasesHidden", "weightsHiddenOutput")
_KNOWN_KEYS = (*_COMMON_KEYS, "outputSize", "biasesOutput", "biasOutput")


def read(path: Path) -> Mlp:
    """
    Read a network from a JSON file of the Go trainer. Its weights are exactly the float64 numbers in the file.

    Raises:
        ModelError: If the file cannot be read or does not contain a valid network; the message names the field, what
            was found and what was expected.
    """
    return parse(read_bytes(path, MAX_FILE_BYTES), str(path))


def parse(content: bytes, where: str) -> Mlp:
    """
    Parse the content of a JSON file of the Go trainer. `where` is the file's name, used in error messages.

    Raises:
        ModelError: If the content is not a valid network.
    """
    return _NetworkReader(where, parse_object(content, where)).network()


class _NetworkReader:
    """Builds a network from a parsed JSON object, and checks every field that the network needs."""

    def __init__(self, where: str, document: dict[str, object]) -> None:
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

    def fail(self, key: str, found: str, expected: str) -> NoReturn:
        raise ModelError(f"{self.where}: {key} {found}, expected {expected}")

    def require(self, key: str) -> None:
        """Raise ModelError if the key is missing. The message quotes a similar key of the file, if there is one."""
        if key in self.document:
            return
        keys = islice(self.document, _MAX_KEYS_SEARCHED)
        unknown = [other[:80] for other in keys if other not in _KNOWN_KEYS]
        similar = difflib.get_close_matches(key, unknown, n=1) or [other for other in unknown if other.startswith(key)]
        hint = f"; found {quote(similar[0])}, did you mean {key}?" if similar else ""
        raise ModelError(f"{self.where}: the key {key} is missing{hint}")

    def kind(self) -> Kind:
        policy, value = "biasesOutput" in self.document, "biasOutput" in self.document
        if policy and value:
            self.fail("biasesOutput", "and biasOutput are both present", "biasesOutput (policy) or biasOutput (value)")
        if not policy and not value:
            self.require("biasesOutput" if "outputSize" in self.document else "biasOutput")
        return Kind.POLICY if policy else Kind.VALUE

    def size(self, key: str) -> int:
        size = self.document[key]
        # A bool is an int to isinstance.
        if not isinstance(size, int) or isinstance(size, bool):
            self.fail(key, f"is {json_type(size)} ({quote(size)})", "an integer")
        if not 1 <= size <= MAX_LAYER_SIZE:
            self.fail(key, f"is {quote(size)}", f"1 to {MAX_LAYER_SIZE}")
        return size

    def number(self, key: str) -> float:
        return float(self.float_array([self.document[key]], key, ()))

    def vector(self, key: str, size: int, size_key: str) -> Float64Array:
        row = self.document[key]
        if not isinstance(row, list):
            self.fail(key, f"is {json_type(row)}", f"an array of {size} numbers")
        if len(row) != size:
            self.fail(key, f"has {len(row)} numbers", f"{size} to match {size_key}")
        return self.float_array(row, key, (size,))

    def matrix(self, key: str, row_count: int, column_count: int) -> Float64Array:
        rows = self.document[key]
        expected = f"an array of {row_count} rows of {column_count} numbers"
        if not isinstance(rows, list) or not rows:
            self.fail(key, "is an empty array" if rows == [] else f"is {json_type(rows)}", expected)
        for index, row in enumerate(rows):
            if not isinstance(row, list):
                self.fail(f"{key}[{index}]", f"is {json_type(row)}", f"a row of {column_count} numbers")
        lengths = [len(row) for row in rows]
        if len(set(lengths)) > 1:
            odd = next(index for index, length in enumerate(lengths) if length != column_count)
            other = next(index for index, length in enumerate(lengths) if length != lengths[odd])
            found = f"row {odd} has {lengths[odd]} numbers, row {other} has {lengths[other]}"
            self.fail(key, f"is ragged: {found}", expected)
        shape, expected_shape = (len(rows), lengths[0]), (row_count, column_count)
        if shape != expected_shape:
            sizes = ", ".join(f"{name} {self.document[name]}" for name in _SIZE_KEYS if name in self.document)
            hint = "; it looks transposed" if shape == expected_shape[::-1] else ""
            self.fail(key, f"has shape {shape}", f"{expected_shape} to match {sizes}{hint}")
        return self.float_array(list(chain.from_iterable(rows)), key, expected_shape)

    def float_array(self, numbers: list[Any], key: str, shape: tuple[int, ...]) -> Float64Array:
        """Return parsed JSON values as an array. Raise ModelError unless all are numbers within float32's range."""

        def name(index: int) -> str:
            return key + "".join(f"[{position}]" for position in np.unravel_index(index, shape))

        if not set(map(type, numbers)) <= {int, float}:
            index, item = next((i, item) for i, item in enumerate(numbers) if type(item) not in (int, float))
            self.fail(name(index), f"is {json_type(item)} ({quote(item)})", "a number")
        with np.errstate(over="ignore"):
            try:
                array = np.array(numbers, dtype=np.float64)
            except OverflowError:
                self.fail(key, "contains an integer over the range of float64", "numbers that float32 can hold")
            finite = np.isfinite(array.astype(np.float32))
        if not finite.all():
            index = int(finite.argmin())
            found = f"{array[index]:g}" if np.isfinite(array[index]) else "over the range of float64"
            self.fail(name(index), f"is {found}", "a number that float32 can hold (up to 3.4e38)")
        return array.reshape(shape)
