"""People's payloads beside the tree: kept with a block, erased on request or by age (ERASE-2..7).

None of it decides state. What a node still has changes no hash, and every node that kept the same
payloads forgets the same ones at the same height.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import msgspec

from synnergy.chain.archive import Get, PayloadKey, height_key, join_parties
from synnergy.opcodes.context import Erasure, Payload
from synnergy.state.store import Batch
from synnergy.wire.codec import Struct, decode_trusted, encode
from synnergy.wire.types import Address, Digest, Height, Time

PAYLOADS = "payloads"
#: Payloads that one block forgets by age, beside as many as it brought, and their bytes (ERASE-6).
MOST_EXPIRED = 1_000
MOST_EXPIRED_BYTES = 64 * 1024 * 1024


class Erased(Struct, frozen=True):
    """Why a payload is gone: the transaction in which `by` asked, or its age where both are None.

    `height` and `time` are those of the block that forgot it.
    """

    transaction: Digest | None
    by: Address | None
    height: Height
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

    def erase(self, asked: Erasure, transaction: bytes, regulators: tuple[str, ...]) -> None:
        """Forget what was carried so far, if whoever asked may have it forgotten (ERASE-3).

        The first party and regulators may; another party leaves it to the rest.
        """
        key = (PAYLOADS, asked.commitment)
        known = self._find(key)
        if known is None:
            return
        if asked.by == known.parties[0] or asked.by in regulators:
            self.kept.pop(key, None)
            self.erased[asked.commitment] = Erased(transaction, asked.by, self.height, self.time)
        elif asked.by in known.parties:
            rest = tuple(party for party in known.parties if party != asked.by)
            self.kept[key] = msgspec.structs.replace(known, parties=rest)

    def _find(self, key: PayloadKey) -> Payload | None:
        if key in self.kept:
            return self.kept[key]
        stored = None if key[1] in self.erased else self.get(*key)
        return decode_trusted(stored, Payload) if stored is not None else None

    def save(self, batch: Batch, retention: int) -> None:
        """Write all of it, and forget what is older than `retention` ms (0: nothing is)."""
        for (database, commitment), payload in self.kept.items():
            batch.put(database, commitment, encode(payload))
            if database == PAYLOADS:
                batch.put("ages", height_key(payload.time) + commitment, b"")
                batch.delete("erased", commitment)
        for commitment, why in self.erased.items():
            batch.delete(PAYLOADS, commitment)
            batch.put("erased", commitment, encode(why))
        if retention and self.time > retention:
            self._expire(batch, self.time - retention)

    def _expire(self, batch: Batch, horizon: int) -> None:
        """Forget the oldest of what no block carried since `horizon`, a bounded part (ERASE-6)."""
        most = MOST_EXPIRED + len(self.kept)
        room = MOST_EXPIRED_BYTES
        for key, _ in batch.scan("ages", b"", height_key(horizon + 1), most):
            if room <= 0:
                return
            batch.delete("ages", key)
            time, commitment = int.from_bytes(key[:8], "big"), key[8:]
            stored = batch.get(PAYLOADS, commitment)
            if stored is None:
                continue
            room -= len(stored)
            # Carried again since then, it has a younger entry.
            if decode_trusted(stored, Payload).time == time:
                batch.delete(PAYLOADS, commitment)
                why = Erased(None, None, self.height, self.time)
                batch.put("erased", commitment, encode(why))


def oldest_payload(ages: list[tuple[bytes, bytes]]) -> int | None:
    """The block time of the oldest payload, from the first entry of the index by age."""
    return int.from_bytes(ages[0][0][:8], "big") if ages else None


def load_erased(get: Get, commitment: bytes) -> Erased | None:
    """Why the payload is gone, or None where it isn't or was never here."""
    stored = get("erased", commitment)
    return decode_trusted(stored, Erased) if stored is not None else None
