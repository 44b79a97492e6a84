"""Uncommitted changes over committed state, with nested checkpoints (STATE-10..12).

Every effect of a transaction goes through here. The undo log makes a rollback cost as much as the
changes it undoes, however large the state is. Records that are loaded and saved stay decoded, and
are encoded once, when the block's changes are asked for.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterator
from typing import Final, Protocol, TypeVar

from synnergy.state.known import Known, KnownRecords
from synnergy.wire.codec import Struct, decode_trusted, encode, encode_checked

MAX_KEY_BYTES: Final = 500
MAX_VALUE_BYTES: Final = 16 * 1024 * 1024
_PAGE = 64

V = TypeVar("V", bound=Struct)
Item = tuple[bytes, bytes]
Read = Callable[[bytes], bytes | None]
#: start, stop (exclusive, None for the end), limit (None for all) -> items in key order.
Scan = Callable[[bytes, bytes | None, int | None], list[Item]]


class Reader(Protocol):
    """State that can be read: a `Journal`, or anything else with these two methods."""

    def get(self, key: bytes) -> bytes | None:
        """The value of `key`, or None."""
        ...

    def scan(
        self, start: bytes, stop: bytes | None = None, limit: int | None = None
    ) -> list[Item]:
        """Items with start <= key < stop in key order, at most `limit`."""
        ...


class _Absent:
    """Stands for "the overlay has no entry"."""


_ABSENT = _Absent()
#: What the overlay holds: bytes, a record still to be encoded, or None for a deletion.
_Value = bytes | Struct | None


class Journal:
    """An overlay over a committed view that must not change while the journal lives.

    `read` and `scan` read that view, for instance `partial(store.get, "state")` and
    `partial(store.scan, "state")`. `known` remembers that view's records from block to block; of
    those who share it, one thread at a time may use its journal.
    """

    def __init__(self, read: Read, scan: Scan, known: KnownRecords | None = None) -> None:
        self._read = read
        self._scan = scan
        self._known_records = KnownRecords() if known is None else known
        self._overlay: dict[bytes, _Value] = {}
        self._undo: list[tuple[bytes, _Value | _Absent]] = []
        self._marks: list[tuple[int, int]] = []
        self._next_mark = 0
        # Every key ever written, in order as far as a scan has needed it; rollbacks leave keys
        # here, and scans skip those that the overlay no longer holds.
        self._known: set[bytes] = set()
        self._ordered: list[bytes] = []
        self._unordered: list[bytes] = []
        self._encoded: dict[bytes, bytes | None] = {}

    def get(self, key: bytes) -> bytes | None:
        """The current value of `key`, or None."""
        value = self._overlay.get(key, _ABSENT)
        if isinstance(value, _Absent):
            return self._read(key)
        return encode(value) if isinstance(value, Struct) else value

    def load(self, key: bytes, kind: type[V]) -> V | None:
        """The current record of `key`, or None. ValueError if the stored bytes are corrupt."""
        value = self._overlay.get(key, _ABSENT)
        if type(value) is kind or value is None:
            return value
        if isinstance(value, _Absent):
            stored, record = self._known_records.get(key) or self._recall(key, kind)
            if type(record) is kind or stored is None:
                return record  # pyright: ignore[reportReturnType]
            return decode_trusted(stored, kind)
        return decode_trusted(encode(value) if isinstance(value, Struct) else value, kind)

    def _recall(self, key: bytes, kind: type[Struct]) -> Known:
        """Read and decode what is committed under `key`, and remember it."""
        stored = self._read(key)
        record = None if stored is None else decode_trusted(stored, kind)
        self._known_records.remember(key, stored, record)
        return stored, record

    def save(self, key: bytes, record: Struct) -> None:
        """Set `key` to the canonical encoding of `record`, which is made by `changes`."""
        self._write(key, record)

    def put(self, key: bytes, value: bytes) -> None:
        """Set `key` (1 to 500 bytes) to `value` (at most 16 MiB); ValueError beyond (STATE-10)."""
        if len(value) > MAX_VALUE_BYTES:
            raise ValueError(f"a value has at most {MAX_VALUE_BYTES} bytes, not {len(value)}")
        self._write(key, value)

    def delete(self, key: bytes) -> None:
        """Remove `key`; removing an absent key changes nothing."""
        self._write(key, None)

    def _write(self, key: bytes, value: _Value) -> None:
        if not 1 <= len(key) <= MAX_KEY_BYTES:
            raise ValueError(f"a state key has 1 to {MAX_KEY_BYTES} bytes, not {len(key)}")
        if self._marks:
            self._undo.append((key, self._overlay.get(key, _ABSENT)))
        self._overlay[key] = value
        if key not in self._known:
            self._known.add(key)
            self._unordered.append(key)

    def checkpoint(self) -> int:
        """Open a checkpoint inside those still open; close it with `commit` or `rollback`."""
        self._next_mark += 1
        self._marks.append((self._next_mark, len(self._undo)))
        return self._next_mark

    def commit(self, mark: int) -> None:
        """Keep what was done since `mark`, closing it and the checkpoints inside it.

        An enclosing checkpoint can still undo it. ValueError if `mark` is not open.
        """
        del self._marks[self._position(mark) :]
        if not self._marks:
            self._undo.clear()

    def rollback(self, mark: int) -> None:
        """Undo all since `mark` exactly, closing it and the checkpoints inside it (STATE-11).

        ValueError if `mark` is not open.
        """
        position = self._position(mark)
        _, length = self._marks[position]
        del self._marks[position:]
        while len(self._undo) > length:
            key, before = self._undo.pop()
            if isinstance(before, _Absent):
                del self._overlay[key]
            else:
                self._overlay[key] = before

    def written(self, mark: int) -> list[tuple[bytes, bytes | None]]:
        """What was written since `mark` and still stands, sorted by key; None is a deletion.

        ValueError if `mark` is not open.
        """
        _, length = self._marks[self._position(mark)]
        keys = sorted({key for key, _ in self._undo[length:]})
        return [(key, self.get(key)) for key in keys]

    def _position(self, mark: int) -> int:
        position = bisect_left(self._marks, (mark, 0))
        if position == len(self._marks) or self._marks[position][0] != mark:
            raise ValueError(f"checkpoint {mark} is not open")
        return position

    def scan(
        self, start: bytes, stop: bytes | None = None, limit: int | None = None
    ) -> list[Item]:
        """Current items with start <= key < stop in key order, at most `limit`."""
        found: list[Item] = []
        if limit is not None and limit <= 0:
            return found
        changed = self._overlay_items(start, stop)
        upper = next(changed, None)
        for key, value in self._base_items(start, stop, limit):
            while upper is not None and upper[0] < key:
                if upper[1] is not None:
                    found.append((upper[0], upper[1]))
                    if len(found) == limit:
                        return found
                upper = next(changed, None)
            if upper is not None and upper[0] == key:
                continue
            found.append((key, value))
            if len(found) == limit:
                return found
        while upper is not None:
            if upper[1] is not None:
                found.append((upper[0], upper[1]))
                if len(found) == limit:
                    return found
            upper = next(changed, None)
        return found

    def _base_items(self, start: bytes, stop: bytes | None, limit: int | None) -> Iterator[Item]:
        """Base items in key order, read in pages when there is a limit to stop at."""
        if limit is None:
            yield from self._scan(start, stop, None)
            return
        size = limit if limit >= _PAGE else min(limit + 8, _PAGE)
        while True:
            page = self._scan(start, stop, size)
            yield from page
            if len(page) < size:
                return
            start = page[-1][0] + b"\x00"

    def _overlay_items(
        self, start: bytes, stop: bytes | None
    ) -> Iterator[tuple[bytes, bytes | None]]:
        """Overlay entries (None where deleted) of the range in key order."""
        if len(self._unordered) * 32 > len(self._ordered):
            self._ordered += self._unordered
            self._ordered.sort()
        else:
            for key in self._unordered:
                insort(self._ordered, key)
        self._unordered.clear()
        for position in range(bisect_left(self._ordered, start), len(self._ordered)):
            key = self._ordered[position]
            if stop is not None and key >= stop:
                return
            if key in self._overlay:
                yield key, self.get(key)

    def changes(self) -> list[tuple[bytes, bytes | None]]:
        """What differs from the committed view, sorted by key; None is a deletion (STATE-12).

        Raises ValueError for a record that does not come back from its encoding as it was saved.
        """
        self._encoded = {key: self._encode(key, value) for key, value in self._overlay.items()}
        return [
            (key, value)
            for key, value in sorted(self._encoded.items())
            if self._committed(key) != value
        ]

    def remember(self) -> None:
        """Let the records shared between blocks be those of `changes`, now that it is durable."""
        for key, value in self._overlay.items():
            if isinstance(value, Struct):
                self._known_records.remember(key, self._encoded[key], value)
            else:
                self._known_records.forget(key)

    def _committed(self, key: bytes) -> bytes | None:
        found = self._known_records.get(key)
        return self._read(key) if found is None else found[0]

    def _encode(self, key: bytes, value: _Value) -> bytes | None:
        """What is stored; a record is held to what its type allows."""
        if not isinstance(value, Struct):
            return value
        encoded = encode_checked(value)
        if len(encoded) > MAX_VALUE_BYTES:
            raise ValueError(f"the record under {key!r} has {len(encoded)} bytes")
        return encoded
