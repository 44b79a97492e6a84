"""Transactions that travel as one: what a network gossips is an envelope, or a bundle of them.

A bundle only saves messages. Each transaction in it is checked, executed and answered by itself
(NET-20).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from msgspec import Meta

from synnergy.rejected import Rejected
from synnergy.wire.codec import Struct, decode, encode
from synnergy.wire.transaction import MAX_ENVELOPE_BYTES

#: No envelope begins so: those are msgpack maps.
PREFIX = b"synnergy/bundle/1\x00"
MAX_BUNDLED = 256
MAX_BUNDLE_BYTES = 1024 * 1024
#: The longest entry: an envelope by itself.
MAX_ENTRY_BYTES = MAX_ENVELOPE_BYTES


class Bundle(Struct, frozen=True):
    """Envelopes in order; one alone is no bundle."""

    transactions: Annotated[tuple[bytes, ...], Meta(min_length=2, max_length=MAX_BUNDLED)]


def bundle(envelopes: Sequence[bytes]) -> bytes:
    """The entry that carries these envelopes: the envelope itself where there is one.

    ValueError where there are none, or more than a bundle holds.
    """
    if len(envelopes) == 1:
        return envelopes[0]
    entry = PREFIX + encode(Bundle(tuple(envelopes)))
    if not 2 <= len(envelopes) <= MAX_BUNDLED or len(entry) > MAX_BUNDLE_BYTES:
        raise ValueError(f"{len(envelopes)} transactions of {len(entry)} bytes are no bundle")
    return entry


def unbundle(entry: bytes) -> tuple[bytes, ...] | Rejected:
    """The envelopes that an entry carries, undecoded; Rejected where it is no proper bundle."""
    if not entry.startswith(PREFIX):
        return (entry,)
    if len(entry) > MAX_BUNDLE_BYTES:
        return Rejected("NET-20", "too_large", f"a bundle has at most {MAX_BUNDLE_BYTES} bytes")
    decoded = decode(entry[len(PREFIX) :], Bundle, MAX_BUNDLE_BYTES)
    if isinstance(decoded, Rejected):
        return Rejected("NET-20", "malformed", decoded.message)
    return decoded.transactions
