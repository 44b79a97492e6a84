"""Typed tables: records of one struct type under order-preserving keys (STATE-20..22).

A key is a string, bytes or integer, or a tuple of two or more of them. Keys of one table sort as
their tuples do, and no key is a prefix of another, so a scan by leading components is a scan of
one range of bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, Generic, TypeVar

from synnergy.state.journal import MAX_KEY_BYTES, Journal, Reader
from synnergy.wire.codec import Struct, decode_trusted

V = TypeVar("V", bound=Struct)
Part = str | bytes | int
Key = Part | tuple[Part, ...]

PREFIX_BYTES: Final = 2
#: Of each table, encoded keys that are kept.
REMEMBERED_KEYS: Final = 16_384
_BYTES, _TEXT, _INTEGER = 1, 2, 3
_ZERO, _ESCAPED, _END = b"\x00", b"\x00\xff", b"\x00\x01"


def encode_parts(parts: tuple[Part, ...]) -> bytes:
    """Bytes that sort as the tuple does, component by component (STATE-20).

    A tag, then: 8 bytes big-endian for an integer; for strings (UTF-8) and bytes the bytes with
    00 written as 00 FF, ended by 00 01.
    """
    encoded = bytearray()
    for part in parts:
        if type(part) is int:
            if not 0 <= part < 1 << 64:
                raise ValueError(f"an integer in a key is below 2^64 and not negative: {part}")
            encoded.append(_INTEGER)
            encoded += part.to_bytes(8, "big")
        elif isinstance(part, str):
            encoded.append(_TEXT)
            encoded += part.encode().replace(_ZERO, _ESCAPED) + _END
        elif isinstance(part, bytes):
            encoded.append(_BYTES)
            encoded += part.replace(_ZERO, _ESCAPED) + _END
        else:
            raise ValueError(f"a key holds strings, bytes and integers, not {type(part).__name__}")
    return bytes(encoded)


def decode_parts(encoded: bytes) -> tuple[Part, ...]:
    """The tuple that `encode_parts` encoded; ValueError for any other bytes."""
    parts: list[Part] = []
    position = 0
    while position < len(encoded):
        tag = encoded[position]
        position += 1
        if tag == _INTEGER:
            parts.append(int.from_bytes(encoded[position : position + 8], "big"))
            position += 8
            continue
        if tag not in (_BYTES, _TEXT):
            raise ValueError(f"unknown tag {tag} in a stored key")
        end = encoded.index(_ZERO, position)
        while encoded[end : end + 2] == _ESCAPED:
            end = encoded.index(_ZERO, end + 2)
        if encoded[end : end + 2] != _END:
            raise ValueError("a stored key has a 00 that neither is escaped nor ends anything")
        content = encoded[position:end].replace(_ESCAPED, _ZERO)
        parts.append(content.decode() if tag == _TEXT else content)
        position = end + 2
    if position != len(encoded):
        raise ValueError("a stored key ends inside an integer")
    return tuple(parts)


def _checked(raw: bytes, name: str) -> bytes:
    if len(raw) > MAX_KEY_BYTES:
        raise ValueError(f"table {name}: a key has {len(raw)} bytes of {MAX_KEY_BYTES}")
    return raw


@dataclass(frozen=True, slots=True)
class Table(Generic[V]):
    """Records of type `kind` under the two bytes `prefix`, which no other table may have."""

    prefix: bytes
    name: str
    kind: type[V]
    #: Of a single string, which most keys are, remembered: looking it up costs a tenth.
    _text_key: Callable[[str], bytes] = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.prefix) != PREFIX_BYTES:
            raise ValueError(f"table {self.name}: a prefix has {PREFIX_BYTES} bytes")
        remembered = lru_cache(maxsize=REMEMBERED_KEYS)(self._single_key)
        object.__setattr__(self, "_text_key", remembered)

    def _single_key(self, part: Part) -> bytes:
        return _checked(self.prefix + encode_parts((part,)), self.name)

    def raw_key(self, key: Key) -> bytes:
        """The state key of a record, as proofs name it; ValueError beyond 500 bytes (STATE-21)."""
        if type(key) is str:
            return self._text_key(key)
        if not isinstance(key, tuple):
            return self._single_key(key)
        if len(key) < 2:
            raise ValueError(f"table {self.name}: a key of one component is written without tuple")
        return _checked(self.prefix + encode_parts(key), self.name)

    def key_of(self, raw: bytes) -> Any:
        """The key of a record as it was saved, a single value or a tuple, from its state key."""
        parts = decode_parts(raw[PREFIX_BYTES:])
        return parts[0] if len(parts) == 1 else parts

    def load(self, state: Reader, key: Key) -> V | None:
        """The record under `key`, or None. Raises ValueError if the stored bytes are corrupt."""
        raw = self._text_key(key) if type(key) is str else self.raw_key(key)
        if type(state) is Journal:
            return state.load(raw, self.kind)
        stored = state.get(raw)
        return None if stored is None else decode_trusted(stored, self.kind)

    def save(self, journal: Journal, key: Key, value: V) -> None:
        """Store `value` under `key` in its canonical encoding (STATE-22)."""
        raw = self._text_key(key) if type(key) is str else self.raw_key(key)
        journal.save(raw, value)

    def remove(self, journal: Journal, key: Key) -> None:
        """Remove the record under `key`, if any."""
        journal.delete(self.raw_key(key))

    def scan(
        self,
        state: Reader,
        key_prefix: tuple[Part, ...] = (),
        limit: int | None = None,
        after: Key | None = None,
    ) -> list[tuple[Any, V]]:
        """Records in key order: those whose key begins with `key_prefix`, at most `limit`.

        `after` continues behind a key of an earlier scan. A key comes back as it was saved: a
        single value, or a tuple.
        """
        start = self.prefix + encode_parts(key_prefix)
        # A further component begins with a tag below FF, so this is past all of them.
        stop = start + b"\xff"
        if after is not None:
            start = max(start, self.raw_key(after) + b"\x00")
        found: list[tuple[Any, V]] = []
        for raw, stored in state.scan(start, stop, limit):
            found.append((self.key_of(raw), decode_trusted(stored, self.kind)))
        return found
