"""Canonical msgpack: the one encoding of a value, checked by decode → re-encode → compare.

msgspec alone accepts over-long integers, duplicate keys and any key order; the comparison
refuses all of them, since a struct has exactly one encoding (WIRE-1).
"""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import msgspec

from synnergy.rejected import Rejected

T = TypeVar("T")

#: The largest encoding that any caller may ask to decode (WIRE-2).
MAX_BYTES = 64 * 1024 * 1024
#: Characters of what was wrong: the decoder quotes an unknown field's name, however long it is.
MAX_REASON = 200

_encoder = msgspec.msgpack.Encoder()
_decoders: dict[type, msgspec.msgpack.Decoder[Any]] = {}
_readers: dict[tuple[Any, bool], msgspec.json.Decoder[Any]] = {}
#: Held while a decoder is made. msgspec describes a struct when a decoder first meets it, and a
#: thread that came upon a description half done would read through a null pointer, which ends the
#: process.
_making = threading.Lock()


# Frozen values can't refer to themselves, so that the collector of cycles need not look at them.
class Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """Base of everything that is encoded: frozen, typed, unknown fields refused (WIRE-1)."""


def encode(value: object) -> bytes:
    """The canonical msgpack bytes of a struct (or of plain lists, integers, strings, bytes)."""
    return _encoder.encode(value)


def encode_checked(value: Struct) -> bytes:
    """The bytes of a struct that its own type decodes to an equal one; else raises ValueError."""
    kind = type(value)
    data = _encoder.encode(value)
    if _decoder(kind).decode(data) != value:
        raise ValueError(f"not a valid {kind.__name__}: {value!r}")
    return data


def decode(data: bytes, kind: type[T], max_bytes: int) -> T | Rejected:
    """The struct that `data` canonically encodes, or why it doesn't.

    `max_bytes` caps the length before anything is parsed (WIRE-2); no recursive types exist, so
    nesting is bounded by the declared structs.
    """
    if len(data) > min(max_bytes, MAX_BYTES):
        return Rejected(
            "WIRE-2", "too_large", f"{kind.__name__} has {len(data)} bytes, at most {max_bytes}"
        )
    try:
        value = _decoder(kind).decode(data)
        again = _encoder.encode(value)
    except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError) as error:
        reason = str(error)[:MAX_REASON]
        return Rejected("WIRE-1", "malformed", f"not a valid {kind.__name__}: {reason}")
    if again != data:
        return Rejected(
            "WIRE-1", "not_canonical", f"{kind.__name__} is not in its canonical encoding"
        )
    return value


def _decoder(kind: type[T]) -> msgspec.msgpack.Decoder[T]:
    decoder = _decoders.get(kind)
    if decoder is None:
        with _making:
            decoder = _decoders.setdefault(kind, msgspec.msgpack.Decoder(kind))
    return decoder


def read_json(content: bytes | str, kind: type[T], *, strict: bool = True) -> T:
    """The value that a JSON text holds, whatever its form; from any thread.

    Raises msgspec.DecodeError or UnicodeDecodeError. Without `strict`, numbers in strings count.
    """
    key = (kind, strict)
    reader = _readers.get(key)
    if reader is None:
        with _making:
            reader = _readers.setdefault(key, msgspec.json.Decoder(kind, strict=strict))
    return reader.decode(content)


def read_msgpack(content: bytes, kind: type[T]) -> T:
    """The value that msgpack holds, canonical or not; raises as `read_json`, from any thread."""
    return _decoder(kind).decode(content)


def decode_trusted(data: bytes, kind: type[T]) -> T:
    """Decode bytes that this node itself encoded; failure is corruption and raises."""
    value = decode(data, kind, MAX_BYTES)
    if isinstance(value, Rejected):
        raise ValueError(f"corrupt stored value: {value}")
    return value
