"""People's payloads beside the tree: kept with a block, erased on request or by age (ERASE-2..7).

None of it decides state. What a node still has changes no hash, and every node that kept the same
payloads forgets the same ones at the same height.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from synnergy.chain.archive import Get, PayloadKey, height_key, join_parties
from synnergy.opcodes.context import Erasure, Payload
from synnergy.state import records
from synnergy.state.journal import Item, Reader
from synnergy.state.store import Batch, Store, StoreFull
from synnergy.wire.codec import Struct, decode_trusted, encode
from synnergy.wire.types import Address, Digest, Height, Time

PAYLOADS = "payloads"
#: In `meta` while the store's free pages may hold erased payloads.
OVERWRITE = b"overwrite"
#: Payloads that one block forgets by age, beside as many as it brought (ERASE-6).
MOST_EXPIRED = 1_000

_log = logging.getLogger(__name__)


class Erased(Struct, frozen=True):
    """Why a payload is gone: the transaction in which `by` asked, or its age where both are None.

    `height` and `time` are those of the block that forgot it.
    """

    transaction: Digest | None
    by: Address | None
    height: Height
    time: Time


class Facts(Struct, frozen=True):
    """Whose a payload is and when a block carried it last, apart from its content: to ask for an
    erasure costs the same however large what is asked for is."""

    parties: tuple[Address, ...]
    time: Time


@dataclass(slots=True)
class PayloadChanges:
    """What a block under way does to payloads, over those that are stored (`get`)."""

    get: Get
    height: int
    time: int
    kept: dict[PayloadKey, Payload] = field(default_factory=dict[PayloadKey, Payload])
    erased: dict[bytes, Erased] = field(default_factory=dict[bytes, Erased])

    def keep(self, new: Mapping[PayloadKey, Payload]) -> None:
        """Add payloads; one that is kept already keeps its parties, the first of them first."""
        for key, payload in new.items():
            if not payload.parties:
                self.kept[key] = payload
                continue
            known = self._find(key)
            joined = payload if known is None else join_parties(known, payload)
            self.kept[key] = msgspec.structs.replace(joined, time=self.time)
            self.erased.pop(key[1], None)

    def erase(self, asked: Sequence[Erasure], transaction: bytes, state: Reader) -> None:
        """Forget what was carried so far, where whoever asked may have it forgotten (ERASE-3)."""
        if not asked:
            return
        governance = records.governance.load(state, records.SINGLE)
        assert governance is not None
        for one in asked:
            self._erase(one, transaction, governance.regulators)

    def _erase(self, asked: Erasure, transaction: bytes, regulators: tuple[str, ...]) -> None:
        """The first party and regulators may; another party leaves it to the rest."""
        key = (PAYLOADS, asked.commitment)
        parties = self._parties(key)
        if not parties:
            return
        if asked.by == parties[0] or asked.by in regulators:
            self.kept.pop(key, None)
            self.erased[asked.commitment] = Erased(transaction, asked.by, self.height, self.time)
            return
        known = self._find(key) if asked.by in parties else None
        if known is not None:
            rest = tuple(party for party in known.parties if party != asked.by)
            self.kept[key] = msgspec.structs.replace(known, parties=rest)

    def _parties(self, key: PayloadKey) -> tuple[str, ...]:
        """Whose a payload is; nobody's where it isn't here."""
        if key in self.kept:
            return self.kept[key].parties
        stored = None if key[1] in self.erased else self.get("facts", key[1])
        return decode_trusted(stored, Facts).parties if stored is not None else ()

    def _find(self, key: PayloadKey) -> Payload | None:
        if key in self.kept:
            return self.kept[key]
        stored = None if key[1] in self.erased else self.get(*key)
        return decode_trusted(stored, Payload) if stored is not None else None

    def save(self, batch: Batch, retention: int, page_bytes: int) -> None:
        """Write all of it, and forget what is older than `retention` ms (0: nothing is)."""
        for (database, commitment), payload in self.kept.items():
            least = page_bytes if database == PAYLOADS else 0
            batch.put(database, commitment, _encode_apart(payload, least))
            if database == PAYLOADS:
                batch.put("facts", commitment, encode(Facts(payload.parties, payload.time)))
                batch.put("ages", height_key(payload.time) + commitment, b"")
                batch.delete("erased", commitment)
        for commitment, why in self.erased.items():
            _forget(batch, commitment, why)
        if retention and self.time > retention:
            self._expire(batch, self.time - retention)

    def _expire(self, batch: Batch, horizon: int) -> None:
        """Forget the oldest of what no block carried since `horizon`, a bounded part (ERASE-6)."""
        most = MOST_EXPIRED + len(self.kept)
        for key, _ in batch.scan("ages", b"", height_key(horizon + 1), most):
            batch.delete("ages", key)
            time, commitment = int.from_bytes(key[:8], "big"), key[8:]
            facts = batch.get("facts", commitment)
            # Carried again since then, it has a younger entry.
            if facts is not None and decode_trusted(facts, Facts).time == time:
                _forget(batch, commitment, Erased(None, None, self.height, self.time))


def _forget(batch: Batch, commitment: bytes, why: Erased) -> None:
    """Delete a payload, and note that its bytes are still to be overwritten."""
    batch.delete(PAYLOADS, commitment)
    batch.delete("facts", commitment)
    batch.put("erased", commitment, encode(why))
    batch.put("meta", OVERWRITE, b"")


def _encode_apart(payload: Payload, least: int) -> bytes:
    """A stored payload, of more than `least` bytes, so that it shares no page of the disk.

    LMDB packs small values together and moves them about; of a value with pages of its own
    nothing is left anywhere else once those are overwritten (STATE-6).
    """
    encoded = encode(msgspec.structs.replace(payload, padding=b""))
    missing = least - len(encoded)
    if missing < 0:
        return encoded
    return encode(msgspec.structs.replace(payload, padding=bytes(missing)))


class Overwriter:
    """Overwrites, between blocks, what erased payloads left in the store's file (ERASE-8).

    It is written down with the deletion that there is something to overwrite, so that after a
    crash the next start goes on.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._full = False

    @property
    def pending(self) -> bool:
        return not self._full and self._store.get("meta", OVERWRITE) is not None

    def step(self) -> None:
        """A part of it. Where the disk is too full even for that, the next start tries again."""
        try:
            if self._store.overwrite_free():
                with self._store.write() as batch:
                    batch.delete("meta", OVERWRITE)
        except StoreFull as full:
            self._full = True
            _log.warning("erased payloads are not overwritten: %s", full)


def next_expiry(scan: Callable[..., list[Item]], state: Reader) -> int | None:
    """When the time of the oldest payload is over, in ms; None where all are kept for ever.

    `scan` is the store's.
    """
    retention = records.retention_of(state)
    oldest = scan("ages", b"", None, 1) if retention else []
    return int.from_bytes(oldest[0][0][:8], "big") + retention if oldest else None


def load_erased(get: Get, commitment: bytes) -> Erased | None:
    """Why the payload is gone, or None where it isn't or was never here."""
    stored = get("erased", commitment)
    return decode_trusted(stored, Erased) if stored is not None else None
