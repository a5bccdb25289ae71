"""
Refuses messages of millions of small fields before protobuf makes an object of each.

64 MiB hold 33 million empty entries, which take protobuf a gigabyte and seconds to minutes, with the interpreter lock
held. Counting stops at the limit, which takes some tenths of a second, with the lock given up between steps.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import DecodeError, Message

from runoff.rpc.wire import read_varint

# Four times the largest batch: a sample is an entry and, in it, its numbers. Writers of proto3 pack numbers, however
# many, into one field. From those that do not, so many are taken in a message of more than twice as many bytes.
MAX_FIELDS = 262_144
# Field numbers of a message type that are looked into: another message's, or None for packed integers, of which each
# byte may become a number of 8. Whatever else has a length costs what it weighs.
_Inside = Mapping[int, "_Inside | None"]
_FLOATS = (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_DOUBLE)
# What follows a tag, by its lowest three bits: a varint, bytes behind their length, so many bytes, or what is in a
# group, a step deeper or less deep.
_VARINT, _LENGTH, _FIXED, _GROUP_STEPS = 0, 2, {1: 8, 5: 4}, {3: 1, 4: -1}


class TooManyFieldsError(ValueError):
    """A message of more fields than any legal one has, refused before it is parsed."""


def check_field_count(message: bytes, message_type: type[Message]) -> None:
    """
    Count the fields of a message and of all messages in it, and packed integers.

    Args:
        message: Serialized.
        message_type: Of which type, one that cannot contain itself.

    Raises:
        TooManyFieldsError: If there are more than MAX_FIELDS.
        google.protobuf.message.DecodeError: If it is no message, as far as it was looked at.
    """
    # None is shorter than two bytes, and twice as many packed integers are no harm: over at once for most messages.
    if len(message) <= 2 * MAX_FIELDS:
        return
    try:
        _count(message, 0, len(message), _inside(message_type.DESCRIPTOR), 0)
    except IndexError:
        raise DecodeError("a field is cut off") from None


def _count(message: bytes, offset: int, end: int, inside: _Inside, count: int) -> int:
    """Return the count so far with that of the fields from `offset` to `end`."""
    depth = 0  # in groups: no type here has any, so what is in one belongs to nobody
    while offset < end:
        count = _counted(count, 1)
        tag, offset = _read_varint(message, offset)
        form = tag & 7
        depth += _GROUP_STEPS.get(form, 0)
        if form != _LENGTH:
            offset = _skip_number(message, offset, form)
            continue
        length, start = _read_varint(message, offset)
        offset = start + length
        if tag >> 3 in inside and not depth:
            within = inside[tag >> 3]
            # Packed integers are at most as many as their bytes; those of a shape are a few.
            count = _counted(count, length) if within is None else _count(message, start, offset, within, count)
    return count


def _counted(count: int, more: int) -> int:
    if count + more > MAX_FIELDS:
        raise TooManyFieldsError(f"the message has more than {MAX_FIELDS} fields")
    return count + more


def _skip_number(message: bytes, offset: int, form: int) -> int:
    """Return the offset behind a field without a length."""
    if form == _VARINT:
        while message[offset] >= 0x80:
            offset += 1
        return offset + 1
    # Forms that there are not are the parser's to refuse, as are fields longer than what they are in.
    return offset + _FIXED.get(form, 0)


def _read_varint(message: bytes, start: int) -> tuple[int, int]:
    """Return a tag or length and the offset behind it; most are a byte."""
    byte = message[start]
    if byte < 0x80:
        return byte, start + 1
    number, offset = read_varint(message, start)
    if number < 0:
        raise DecodeError("a tag or length has more than 5 bytes")
    return number, offset


@cache
def _inside(descriptor: Any) -> _Inside:  # a Descriptor, of which protobuf's stubs know two kinds
    return {
        field.number: _inside(field.message_type) if field.message_type else None
        for field in descriptor.fields
        if field.message_type or (field.is_packed and field.type not in _FLOATS)
    }
