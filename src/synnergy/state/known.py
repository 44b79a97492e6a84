"""Records of the committed state, kept decoded from block to block.

Purely an economy: what is not here is read and decoded again. Whoever commits a block says what
it changed (`Journal.remember`), in the thread that reads through it.
"""

from __future__ import annotations

from typing import Final

from synnergy.wire.codec import Struct

#: Stored bytes that are remembered at least; at most twice as many.
REMEMBERED_BYTES: Final = 32 * 1024 * 1024
#: Counted for a record besides its own bytes.
_OVERHEAD: Final = 256

#: The stored bytes and the record they decode to, or twice None where the key is absent.
Known = tuple[bytes | None, Struct | None]


class KnownRecords:
    """Two generations of records: what the older one holds is used again or lost."""

    def __init__(self, remembered_bytes: int = REMEMBERED_BYTES) -> None:
        self._remembered_bytes = remembered_bytes
        self._bytes = 0
        self._recent: dict[bytes, Known] = {}
        self._older: dict[bytes, Known] = {}

    def get(self, key: bytes) -> Known | None:
        """What is committed under `key`, or None where that isn't known."""
        found = self._recent.get(key)
        if found is None:
            found = self._older.get(key)
            if found is not None:
                self._add(key, found)
        return found

    def remember(self, key: bytes, stored: bytes | None, record: Struct | None) -> None:
        """`stored` and `record` are what is committed under `key`."""
        self._add(key, (stored, record))

    def forget(self, key: bytes) -> None:
        self._recent.pop(key, None)
        self._older.pop(key, None)

    def _add(self, key: bytes, known: Known) -> None:
        if self._bytes >= self._remembered_bytes:
            self._older, self._recent, self._bytes = self._recent, {}, 0
        self._recent[key] = known
        self._bytes += _OVERHEAD + (0 if known[0] is None else len(known[0]))
