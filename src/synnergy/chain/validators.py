"""What a block changes of who decides the next ones (NET-15)."""

from __future__ import annotations

from collections.abc import Sequence

from synnergy.chain.archive import Get
from synnergy.state import records
from synnergy.wire.codec import decode_trusted


def reweighed(
    get: Get, changes: Sequence[tuple[bytes, bytes | None]]
) -> tuple[tuple[bytes, int], ...]:
    """Consensus keys, sorted, whose voting power the changes make another, and that power.

    `get` reads the state before them; a power of 0 is no vote.
    """
    found: list[tuple[bytes, int]] = []
    for key, value in changes:
        if key.startswith(records.validators.prefix):
            power = _power(value)
            if power != _power(get("state", key)):
                found.append((records.validators.key_of(key), power))
    return tuple(sorted(found))


def _power(stored: bytes | None) -> int:
    return decode_trusted(stored, records.Validator).power if stored is not None else 0
