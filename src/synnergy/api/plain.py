"""From frozen structs to what JSON can say: bytes as hex, integers as they are (API-9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import msgspec
from msgspec import UNSET


def to_plain(value: object) -> object:
    """Lists, dictionaries, texts, numbers, booleans and None; unset fields are left out.

    Raises TypeError for anything that wire structs are not made of.
    """
    match value:
        case None | bool() | int() | str():
            return value
        case bytes():
            return value.hex()
        case msgspec.Struct():
            fields = ((name, getattr(value, name)) for name in value.__struct_fields__)
            return {name: to_plain(field) for name, field in fields if field is not UNSET}
        case tuple() | list():
            items = cast(Sequence[object], value)
            return [to_plain(item) for item in items]
        case dict():
            entries = cast(Mapping[str, object], value)
            return {name: to_plain(item) for name, item in entries.items()}
        case _:
            raise TypeError(f"{type(value).__name__} has no place in an answer")


def to_json(value: object) -> bytes:
    """The JSON text of a struct or of anything it may hold."""
    return msgspec.json.encode(to_plain(value))
