"""A trainer's file is read exactly or refused with a reason; nothing is guessed, nothing is filled in."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from runoff.errors import ModelError
from runoff.models import go_json
from runoff.models.mlp import Kind
from tests.support.models import random_mlp

REAL_MODELS = Path(__file__).resolve().parents[3] / "shared" / "models"
POLICY: dict[str, Any] = json.loads(go_json.write(random_mlp()))
VALUE: dict[str, Any] = json.loads(go_json.write(random_mlp(Kind.VALUE)))


def refusal(content: bytes) -> str:
    """Return the message with which a content is refused: one line of sensible length that names the file."""
    with pytest.raises(ModelError) as caught:
        go_json.parse(content, "net.model")
    message = str(caught.value)
    assert message.startswith("net.model: ")
    assert "\n" not in message
    assert len(message) < 400
    return message


def encoded(document: dict[str, Any]) -> bytes:
    return json.dumps(document).encode()


def with_literal(document: dict[str, Any], key: str, literal: str) -> bytes:
    """Encode a document with a number json.dumps would not write, as a key's value or the first of its array."""
    placeholder = 123456.75
    value = [placeholder, *document[key][1:]] if isinstance(document[key], list) else placeholder
    return encoded(document | {key: value}).replace(b"123456.75", literal.encode())


@pytest.mark.parametrize("kind", [pytest.param(kind, id=str(kind)) for kind in Kind])
def test_network_survives_writing_and_reading(kind: Kind) -> None:
    """Every float64 exactly: the digest is that of the numbers."""
    mlp = random_mlp(kind)
    assert mlp.digest == go_json.parse(go_json.write(mlp), "net.model").digest


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, id=path.stem) for path in sorted(REAL_MODELS.glob("*.model"))]
    or [pytest.param(None, marks=pytest.mark.skip(reason="no folder shared/models beside the checkout"))],
)
def test_real_file_comes_back_byte_for_byte(path: Path) -> None:
    """Then nothing was lost in reading it, and what runoff writes is what the trainer would have."""
    content = path.read_bytes()
    assert content == go_json.write(go_json.read(path))


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_number_is_written_as_json_that_reads_back_exactly(number: float) -> None:
    """Shortest decimals must still be the same float64, minus zero included."""
    found = json.loads(go_json._go_float(number), parse_int=float)
    assert np.float64(number).tobytes() == np.float64(found).tobytes()


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0"),
        (-0.0, "-0"),
        (1.0, "1"),
        (-2.5, "-2.5"),
        (1e-6, "0.000001"),
        (9.5e-7, "9.5e-7"),
        (1e-7, "1e-7"),
        (1.25e-10, "1.25e-10"),
        (5e-324, "5e-324"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (0.1 + 0.2, "0.30000000000000004"),
    ],
)
def test_number_is_written_as_go_writes_it(number: float, text: str) -> None:
    """Examples from Go's encoding/json: exponents below 1e-6 and from 1e21, without padding zeros."""
    assert text == go_json._go_float(number)


@pytest.mark.parametrize("literal", ["0", "-0", "0.0"])
def test_bare_integer_as_a_values_bias_is_valid(literal: str) -> None:
    """Real value networks hold `"biasOutput":0`."""
    assert 0 == go_json.parse(with_literal(VALUE, "biasOutput", literal), "net.model").biases_output[0]


@pytest.mark.parametrize("literal", ["NaN", "Infinity", "-Infinity"])
def test_literal_that_is_no_number_is_refused(literal: str) -> None:
    """Python's json accepts them; a network with them answers nothing."""
    assert f"the literal {literal}" in refusal(with_literal(POLICY, "biasesHidden", literal))


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
def test_number_that_overflows_is_refused_with_its_place(
    literal: str, found: str, document: dict[str, Any], key: str
) -> None:
    """It would become infinity in float64 or in the float32 of every runtime."""
    message = refusal(with_literal(document, key, literal))
    assert found in message
    assert key in message


def test_place_of_a_number_in_a_matrix_is_its_row_and_column() -> None:
    """Among thousands of numbers a name alone is no help."""
    document = json.loads(encoded(POLICY))
    document["weightsInputHidden"][2][3] = 1e39
    assert "weightsInputHidden[2][3] is 1e+39" in refusal(encoded(document))


def test_duplicate_key_is_refused() -> None:
    """Python takes the last, Go too, other readers the first: the file says two things."""
    assert "'inputSize' stands there more than once" in refusal(encoded(POLICY)[:-1] + b',"inputSize":5}')


def test_duplicate_among_many_keys_is_found_without_a_search_of_hours() -> None:
    """Untrusted files must not cost quadratic time; this one took half a minute that way."""
    content = "{" + ",".join(f'"{index}":0' for index in range(40_000)) + ',"39999":0}'
    assert "'39999'" in refusal(content.encode())


NESTED = {
    "arrays": b"[" * 100_000,
    "objects": b'{"a":' * 100_000,
    "within": b'{"inputSize":' + b"[" * 9000 + b"]" * 9000,
}


@pytest.mark.parametrize("content", [pytest.param(content, id=name) for name, content in NESTED.items()])
def test_deep_nesting_is_refused_without_a_traceback(content: bytes) -> None:
    """A parser that recurses must not take the process down."""
    assert "nested too deeply" in refusal(content)


@pytest.mark.parametrize("key", ["inputSize", "biasesHidden"])
def test_integer_of_thousands_of_digits_is_refused(key: str) -> None:
    """Python itself refuses to convert it, with a ValueError about a setting nobody knows."""
    assert "an integer of 5000 digits" in refusal(with_literal(POLICY, key, "1" * 5000))


BROKEN = {
    "byte-order-mark": (b"\xef\xbb\xbf" + encoded(POLICY), "byte-order mark"),
    "empty": (b"", "is empty"),
    "white-space": (b" \n", "is not JSON"),
    "truncated": (encoded(POLICY)[:-9], "may be truncated"),
    "data-after-the-object": (encoded(POLICY) + b"{}", "something may follow"),
    "array": (b"[]", "holds an array, expected a JSON object"),
    "number": (b"1", "holds a number"),
    "string": (b'"x"', "holds a string"),
    "null": (b"null", "holds null"),
    "latin-1": (b'{"caf\xe9":1}', "byte 5 is not UTF-8"),
    "utf-16": (json.dumps(POLICY).encode("utf-16"), "is not UTF-8"),
    "binary": (bytes(range(1, 100)), "is not JSON"),
}


@pytest.mark.parametrize(("content", "reason"), [pytest.param(*case, id=name) for name, case in BROKEN.items()])
def test_content_that_is_no_json_object_is_refused(content: bytes, reason: str) -> None:
    """Each way to be broken has its own cure."""
    assert reason in refusal(content)


@pytest.mark.parametrize("key", sorted(POLICY))
def test_missing_key_is_named(key: str) -> None:
    """A converter that filled in random weights is why this project exists."""
    assert refusal(encoded({k: v for k, v in POLICY.items() if k != key})) == f"net.model: the key {key} is missing"


@pytest.mark.parametrize("rename", [lambda key: f"{key}Policy", str.lower], ids=["suffix", "lower-case"])
@pytest.mark.parametrize("key", sorted(POLICY))
def test_key_of_a_near_miss_is_hinted_at(key: str, rename: Callable[[str], str]) -> None:
    """The wrong name is what the user has to change."""
    document = {rename(k) if k == key else k: v for k, v in POLICY.items()}
    assert f"the key {key} is missing; found '{rename(key)}', was {key} meant?" in refusal(encoded(document))


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
def test_size_that_is_no_sensible_number_is_refused(key: str, size: object, found: str) -> None:
    """Checked before anything is allocated: a billion units would need exabytes."""
    message = refusal(encoded(POLICY | {key: size}))
    assert message.startswith(f"net.model: {key} is ")
    assert found in message


@pytest.mark.parametrize("row", [0, 3, 6])
def test_ragged_row_is_named(row: int) -> None:
    """The odd row is the one to look at, the first one too."""
    matrix = [list(numbers) for numbers in POLICY["weightsInputHidden"]]
    matrix[row].pop()
    message = refusal(encoded(POLICY | {"weightsInputHidden": matrix}))
    assert f"weightsInputHidden is ragged: row {row} has 4 numbers" in message


def test_transposed_matrix_is_recognised() -> None:
    """The most likely mistake of another exporter."""
    transposed = np.transpose(POLICY["weightsInputHidden"]).tolist()
    message = refusal(encoded(POLICY | {"weightsInputHidden": transposed}))
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
def test_size_that_disagrees_with_an_array_is_told_with_both_numbers(key: str, found: str) -> None:
    """Which of the two is wrong only the user knows."""
    assert any(part in refusal(encoded(POLICY | {key: POLICY[key] + 1})) for part in found.split("|"))


@pytest.mark.parametrize("value", [None, 1, "x", {}, [], [1], ["x"], [[1], "x"], [[[1]] * 5] * 7])
@pytest.mark.parametrize("key", ["weightsInputHidden", "weightsHiddenOutput"])
def test_matrix_that_is_none_is_refused(key: str, value: object) -> None:
    """Whatever stands there, the message names the key."""
    assert key in refusal(encoded(POLICY | {key: value}))


@pytest.mark.parametrize("value", [None, 1, "1234567", {}, [], [1], ["x"] * 7, [[1]] * 7, [True] * 7, [None] * 7])
def test_vector_that_is_none_is_refused(value: object) -> None:
    """A string of seven digits has seven characters, True is an int: neither is a vector of numbers."""
    assert "biasesHidden" in refusal(encoded(POLICY | {"biasesHidden": value}))


@pytest.mark.parametrize("value", [True, "0", None, [0]])
def test_bias_that_is_no_number_is_refused(value: object) -> None:
    """A value network's one bias is a number."""
    assert "biasOutput is " in refusal(encoded(VALUE | {"biasOutput": value}))


def test_both_biases_are_refused() -> None:
    """The file would be a policy and a value at once."""
    assert "biasesOutput and biasOutput are both there" in refusal(encoded(POLICY | {"biasOutput": 0}))


def test_neither_bias_is_refused() -> None:
    """Without it nobody knows which head the network has."""
    assert "the key biasOutput is missing" in refusal(encoded({k: v for k, v in VALUE.items() if k != "biasOutput"}))


def test_value_network_of_several_outputs_is_refused() -> None:
    """One bias for three outputs is a mistake somewhere."""
    assert "outputSize is 3 in a value network" in refusal(encoded(VALUE | {"outputSize": 3}))


def test_file_over_the_size_limit_is_refused(tmp_path: Path) -> None:
    """Before it is read: a sparse file of a terabyte costs nothing to make."""
    path = tmp_path / "large.model"
    with path.open("wb") as file:
        file.truncate(go_json.MAX_FILE_BYTES + 1)
    with pytest.raises(ModelError, match=re.escape(f"large.model: has {go_json.MAX_FILE_BYTES + 1} bytes")):
        go_json.read(path)
