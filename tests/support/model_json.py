"""Model files in the Go trainer's JSON format for tests, and the error messages for broken files."""

import json
from typing import Any

import pytest

from runoff.errors import ModelError
from runoff.models import go_json, go_json_writer
from runoff.models.mlp import Kind
from tests.support.models import random_mlp

POLICY: dict[str, Any] = json.loads(go_json_writer.encode(random_mlp()))
VALUE: dict[str, Any] = json.loads(go_json_writer.encode(random_mlp(Kind.VALUE)))


def error_message(content: bytes) -> str:
    """Check that this content of a model file causes a one-line error that names the file. Return the message."""
    with pytest.raises(ModelError) as caught:
        go_json.parse(content, "net.model")
    message = str(caught.value)
    assert message.startswith("net.model: ")
    assert "\n" not in message
    assert len(message) < 400
    return message


def encoded(document: dict[str, Any]) -> bytes:
    """Encode a JSON object."""
    return json.dumps(document).encode()


def with_literal(document: dict[str, Any], key: str, literal: str) -> bytes:
    """Encode a JSON object in which one value, or an array's first entry, is a literal that json.dumps cannot write."""
    placeholder = 123456.75
    value = [placeholder, *document[key][1:]] if isinstance(document[key], list) else placeholder
    return encoded(document | {key: value}).replace(b"123456.75", literal.encode())
