"""A look over protobuf bytes before they are parsed.

An empty nested message takes two bytes in a file and over a hundred in memory, so a cap on the
file's size alone is no cap on memory, nor on the work that it makes. The scan counts messages and
strings without keeping any.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import onnx

Table = dict[int, "Table"]
#: Stands in a table for a field of bytes, which the parser takes as it is.
_BYTES: Table = {}


@dataclass(frozen=True, slots=True)
class Census:
    """What parsing and planning a file takes time for: `fields` are its messages and strings,
    `parsed` the bytes outside of fields of type `bytes`, such as raw weights. `problem` says why
    it is no model, where that showed."""

    fields: int
    parsed: int
    problem: str = ""


# Runs of scalar fields with one-byte tags: varint, 64-bit and 32-bit ones. Possessive, so that
# hostile bytes cannot make it backtrack.
_SCALARS = re.compile(
    rb"(?:[\x08\x10\x18\x20\x28\x30\x38\x40\x48\x50\x58\x60\x68\x70\x78][\x80-\xff]{0,9}+[\x00-\x7f]"
    rb"|[\x0d\x15\x1d\x25\x2d\x35\x3d\x45\x4d\x55\x5d\x65\x6d\x75\x7d][\x00-\xff]{4}"
    rb"|[\x09\x11\x19\x21\x29\x31\x39\x41\x49\x51\x59\x61\x69\x71\x79][\x00-\xff]{8})*+"
)


def _tables() -> Table:
    """Message fields by number, recursively, from the descriptors that the parser itself uses."""
    known: dict[str, Table] = {}

    def table_of(descriptor: Any) -> Table:
        name = str(descriptor.full_name)
        if name not in known:
            known[name] = {}
            for field in descriptor.fields:
                if field.message_type is not None:
                    known[name][int(field.number)] = table_of(field.message_type)
                elif field.type == field.TYPE_BYTES:
                    known[name][int(field.number)] = _BYTES
        return known[name]

    return table_of(onnx.ModelProto.DESCRIPTOR)


_MODEL = _tables()


def _varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """(value, next position); the position is past `end` where it is malformed."""
    if position < end and data[position] < 128:
        return data[position], position + 1
    value = 0
    for shift in range(0, 70, 7):
        if position >= end:
            break
        byte = data[position]
        position += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, position
    return 0, end + 1


def scan(data: bytes, most: int) -> Census:
    """What is in `data`, as far as it is a model. Beyond `most` messages and strings the
    scan ends, with one more than those."""
    outer: list[tuple[int, Table]] = []
    position, end, table = 0, len(data), _MODEL
    count = raw = 0
    problem = ""
    while position < end or outer:
        if position == end:
            end, table = outer.pop()
            continue
        if data[position] & 7 != 2:
            matched = _SCALARS.match(data, position, end)
            position = matched.end() if matched else position
            if position == end:
                continue
        tag, position = _varint(data, position, end)
        kind = tag & 7
        if kind == 2:
            length, position = _varint(data, position, end)
            if position + length > end:
                problem = "the file isn't a model: a field reaches beyond its message"
                break
            count += 1
            if count > most:
                return Census(count, position)
            inner = table.get(tag >> 3)
            if inner is None or inner is _BYTES:
                raw += length if inner is _BYTES else 0
                position += length
            elif len(outer) >= 100:
                problem = "the file's messages are nested more than 100 deep"
                break
            else:
                outer.append((end, table))
                end, table = position + length, inner
        elif kind == 0:
            _, position = _varint(data, position, end)
        elif kind in (1, 5):
            position += 8 if kind == 1 else 4
        else:
            problem = "the file isn't a model: unknown kind of field"
            break
        if position > end:
            problem = "the file isn't a model: it ends inside a field"
            break
    return Census(count, position - raw, problem)
