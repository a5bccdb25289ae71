"""A model file is read exactly or rejected with a reason. Missing or wrong values are never guessed."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from runoff.errors import ModelError
from runoff.models import go_json
from tests.support.model_json import POLICY, VALUE, encoded, error_message, with_literal


@pytest.mark.parametrize("literal", ["0", "-0", "0.0"])
def test_bare_integer_as_a_values_bias_is_valid(literal: str) -> None:
    """Real value networks often have the integer 0 as their bias, so integers must be accepted as well as 0.0."""
    assert 0 == go_json.parse(with_literal(VALUE, "biasOutput", literal), "net.model").biases_output[0]


@pytest.mark.parametrize(
    ("literal", "found"),
    [
        ("1e400", "over the range of float64"),
        ("-1e400", "over the range of float64"),
        ("1e39", "is 1e+39"),
        ("-1e39", "is -1e+39"),
        ("1" + "0" * 350, "over the range of float64"),
    ],
    ids=["1e400", "-1e400", "1e39", "-1e39", "350-zeros"],
)
@pytest.mark.parametrize(("document", "key"), [(POLICY, "biasesHidden"), (VALUE, "biasOutput")], ids=["array", "bias"])
def test_number_that_overflows_is_rejected_with_its_place(
    literal: str, found: str, document: dict[str, Any], key: str
) -> None:
    """A number outside the range of float32 would become infinity in every runtime, so it must be rejected."""
    message = error_message(with_literal(document, key, literal))
    assert found in message
    assert key in message


def test_message_gives_row_and_column_of_a_number_in_a_matrix() -> None:
    """A matrix may contain thousands of numbers, so the message must give the row and column of the invalid number."""
    document = json.loads(encoded(POLICY))
    document["weightsInputHidden"][2][3] = 1e39
    assert "weightsInputHidden[2][3] is 1e+39" in error_message(encoded(document))


@pytest.mark.parametrize("key", sorted(POLICY))
def test_missing_key_is_named(key: str) -> None:
    """An earlier converter silently replaced missing weights with random ones, so a missing key must be an error."""
    assert (
        error_message(encoded({k: v for k, v in POLICY.items() if k != key})) == f"net.model: the key {key} is missing"
    )


@pytest.mark.parametrize("rename", [lambda key: f"{key}Policy", str.lower], ids=["suffix", "lower-case"])
@pytest.mark.parametrize("key", sorted(POLICY))
def test_message_suggests_the_misspelled_key(key: str, rename: Callable[[str], str]) -> None:
    """To correct a misspelled key, the user must find it in the file, so the message must quote it."""
    document = {rename(k) if k == key else k: v for k, v in POLICY.items()}
    assert f"the key {key} is missing; found '{rename(key)}', did you mean {key}?" in error_message(encoded(document))


@pytest.mark.parametrize(
    ("size", "found"),
    [
        (True, "a boolean (True)"),
        ("7", "a string ('7')"),
        (64.0, "a number (64.0)"),
        (0, "is 0"),
        (-1, "is -1"),
        (10**9, "is 1000000000"),
        (None, "null"),
        ([7], "an array"),
        ("x" * 100_000, "xxx…"),
    ],
    ids=["bool", "string", "decimals", "zero", "negative", "1e9", "null", "array", "long"],
)
@pytest.mark.parametrize("key", ["inputSize", "hiddenSize", "outputSize"])
def test_size_that_is_not_an_integer_in_range_is_rejected(key: str, size: object, found: str) -> None:
    """A wrong size must be rejected before memory is allocated: two layers of a billion units would need exabytes."""
    message = error_message(encoded(POLICY | {key: size}))
    assert message.startswith(f"net.model: {key} is ")
    assert found in message


@pytest.mark.parametrize("row", [0, 3, 6])
def test_ragged_row_is_named(row: int) -> None:
    """The message must name the row whose length differs from the declared size, even if it is the first row."""
    matrix = [list(numbers) for numbers in POLICY["weightsInputHidden"]]
    matrix[row].pop()
    message = error_message(encoded(POLICY | {"weightsInputHidden": matrix}))
    assert f"weightsInputHidden is ragged: row {row} has 4 numbers" in message


def test_message_recognises_a_transposed_matrix() -> None:
    """Some exporters transpose weight matrices. Users can correct this easily if the error message points it out."""
    transposed = np.transpose(POLICY["weightsInputHidden"]).tolist()
    message = error_message(encoded(POLICY | {"weightsInputHidden": transposed}))
    assert "weightsInputHidden has shape (5, 7), expected (7, 5)" in message
    assert message.endswith("it looks transposed")


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("inputSize", "has shape (7, 5), expected (7, 6)"),
        ("hiddenSize", "expected (8, 5)|has 7 numbers, expected 8"),
        ("outputSize", "has 3 numbers, expected 4"),
    ],
)
def test_message_gives_both_numbers_if_a_size_disagrees_with_an_array(key: str, found: str) -> None:
    """If a declared size contradicts an array, only the user knows which is wrong, so the message must give both."""
    assert any(part in error_message(encoded(POLICY | {key: POLICY[key] + 1})) for part in found.split("|"))


@pytest.mark.parametrize("value", [None, 1, "x", {}, [], [1], ["x"], [[1], "x"], [[[1]] * 5] * 7])
@pytest.mark.parametrize("key", ["weightsInputHidden", "weightsHiddenOutput"])
def test_value_that_is_not_a_matrix_is_rejected(key: str, value: object) -> None:
    """If a key contains something other than a matrix, the error message must name that key."""
    assert key in error_message(encoded(POLICY | {key: value}))


@pytest.mark.parametrize("value", [None, 1, "1234567", {}, [], [1], ["x"] * 7, [[1]] * 7, [True] * 7, [None] * 7])
def test_value_that_is_not_a_vector_is_rejected(value: object) -> None:
    """In Python a seven-character string has length 7 and True is an int, but neither is a valid vector of biases."""
    assert "biasesHidden" in error_message(encoded(POLICY | {"biasesHidden": value}))


@pytest.mark.parametrize("value", [True, "0", None, [0]])
def test_bias_that_is_not_a_number_is_rejected(value: object) -> None:
    """A value network has a single output bias, so biasOutput must be a number and not an array."""
    assert "biasOutput is " in error_message(encoded(VALUE | {"biasOutput": value}))


def test_both_biases_are_rejected() -> None:
    """biasesOutput marks a policy network and biasOutput a value network, so a file with both keys is ambiguous."""
    assert "biasesOutput and biasOutput are both present" in error_message(encoded(POLICY | {"biasOutput": 0}))


def test_neither_bias_is_rejected() -> None:
    """The bias key shows whether the network is a policy or a value network, so a file without it cannot be read."""
    without_bias = {key: value for key, value in VALUE.items() if key != "biasOutput"}
    assert "the key biasOutput is missing" in error_message(encoded(without_bias))


def test_value_network_of_several_outputs_is_rejected() -> None:
    """A value network has exactly one output, so any other outputSize contradicts its single bias."""
    assert "outputSize is 3 in a value network" in error_message(encoded(VALUE | {"outputSize": 3}))


def test_file_over_the_size_limit_is_rejected(tmp_path: Path) -> None:
    """A sparse file of a terabyte is easy to make and would exhaust memory, so the size is checked before reading."""
    path = tmp_path / "large.model"
    with path.open("wb") as file:
        file.truncate(go_json.MAX_FILE_BYTES + 1)
    with pytest.raises(ModelError, match=re.escape(f"large.model: has {go_json.MAX_FILE_BYTES + 1} bytes")):
        go_json.read(path)
